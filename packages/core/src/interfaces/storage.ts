/** How a folder stores a model, if the tensor names differ from the parameter names. */
export interface CheckpointStorage {
  /** Name of the stored tensor of a parameter. Default: the parameter's name. */
  readonly nameOf?: (parameter: string) => string;
  /** Tensors that a checkpoint may contain although no parameter reads them: copies of tied ones. Default: none. */
  readonly redundant?: readonly string[];
  /**
   * Tensors that no parameter reads, and that the checkpoints of a run keep as they are, such as those of a vision tower.
   * Default: none.
   */
  readonly carried?: readonly string[];
}
