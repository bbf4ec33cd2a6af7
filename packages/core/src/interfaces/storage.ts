/** How a folder stores a model, where names alone do not say it. */
export interface CheckpointStorage {
  /** The stored tensor of a parameter. Default: the one of the same name. */
  readonly nameOf?: (parameter: string) => string;
  /** Tensors that may be there although no parameter reads them: copies of tied ones. Default: none. */
  readonly redundant?: readonly string[];
}
