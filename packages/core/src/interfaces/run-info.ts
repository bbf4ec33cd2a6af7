import type { ComponentSpec } from './component-spec';
import type { JsonValue } from './json';
import type { Model, SpecialTokenPolicy } from './model';

/** What the first parameters of a run are made of; `create` accepts the specs, secrets included. */
export interface InitialModel {
  readonly initializer: ComponentSpec;
  readonly model: ComponentSpec;
  /** Whether the model that trains keeps these parameters as they are, and computes from them: `Model.origin`. */
  readonly isKept: boolean;
  /** Folder of the adapter from which `train.lora` starts. Undefined: there is none. */
  readonly adapter?: string;
  /** The seed of the run's random streams. */
  readonly seed: number;
}

/** What a component knows about the run that it works for. */
export interface RunInfo {
  readonly name: string;
  readonly id: string;
  readonly folder: string;
  /** For recording; components should use the fields below instead. */
  readonly config: JsonValue;
  /** Id of the model's family, as the config names it. */
  readonly modelFamily?: string;
  /** Total steps of the run. */
  readonly totalSteps?: number;
  /**
   * Number of completed steps from which the run was resumed. Undefined in a new run, and before the checkpoint has
   * been read.
   */
  readonly resumedFromStep?: number;
  /** The objective of the run, as the config names it, including secrets; `create` accepts it. */
  readonly trainingObjective?: ComponentSpec;
  /** What the run's first parameters are made of, for `loadInitialModel`. Undefined: unknown. */
  readonly initial?: InitialModel;
  /**
   * Only in a dry run, which loads no weights: receives each model that the run would load beside the one that trains.
   * What a component then gets of `loadFrozenCheckpoint` or `loadInitialModel` has no parameters; one that calls
   * `loadFrozenModel` gives it this as `onModel`.
   */
  readonly onFrozenModel?: (model: Model) => void;
  /** How the checkpoint from which the run starts or resumes was trained: sections of its graft.json. */
  readonly recorded?: Readonly<Record<string, JsonValue>>;
  /**
   * Folders with the tokenizer.json of the checkpoint from which the run starts or resumes; `encoder` if the encoder's is
   * another one. Undefined: there is none.
   */
  readonly tokenizerFolders?: { readonly decoder: string; readonly encoder?: string };
  /** The effective policy, by which datasets append end tokens. Undefined if the model is unknown. */
  readonly specialTokens?: SpecialTokenPolicy;
}
