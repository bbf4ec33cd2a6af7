import type { ComponentSpec } from './component-spec';
import type { JsonValue } from './json';
import type { SpecialTokenPolicy } from './model';

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
