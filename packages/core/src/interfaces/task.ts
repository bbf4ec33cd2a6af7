/** Tasks of an evaluation: what a benchmark asks a model, and how its answers are scored. */

/** What a model says about one continuation of a prompt. */
export interface LikelihoodAnswer {
  /** Natural logarithm of the continuation's probability: the sum over its tokens. */
  readonly logLikelihood: number;
  /** Whether every token of it is the most probable one in its place. */
  readonly isGreedy: boolean;
}

/** What a model writes after a prompt. */
export interface GenerationAnswer {
  /** Without special tokens, cut in front of the first stop string. */
  readonly text: string;
  /** Number of tokens that were generated. */
  readonly tokens: number;
  /** Whether a stop string or an end token ended it, rather than the limit. */
  readonly ended: boolean;
}

/** How one row was answered. */
export interface RowScore {
  /** Numbers of this row by name, such as `{ accuracy: 1 }`. */
  readonly metrics: Readonly<Record<string, number>>;
  /** What a filter found in the generated text, if the task has one. */
  readonly extracted?: string;
}

/** What items of both kinds have. */
export interface ItemFacts {
  /** The benchmark's own name of the row, otherwise its place in the file, from 0. Unique within the task and set. */
  readonly id: string;
  /** The set that it belongs to: a subject, a language. Undefined if the task has one set. */
  readonly set?: string;
  /** The right answer or answers, for the records. */
  readonly target: string | readonly string[];
}

/** A row of which the model scores continuations. */
export interface ChoiceItem extends ItemFacts {
  readonly kind: 'choices';
  /** What precedes the continuations: one text for all of them, or one for each. */
  readonly prompts: readonly string[];
  /** The continuations, with their leading space. One for several prompts is the continuation of each. */
  readonly continuations: readonly string[];
  /** Scores the answers, in the order of the continuations, or of the prompts. */
  score(answers: readonly LikelihoodAnswer[]): RowScore;
}

/** A row to which the model writes an answer. */
export interface GenerationItem extends ItemFacts {
  readonly kind: 'generation';
  readonly prompt: string;
  /** The text ends in front of the first of these. */
  readonly until: readonly string[];
  /** Tokens, at most. */
  readonly maxNewTokens: number;
  /** Scores the answer. */
  score(answer: GenerationAnswer): RowScore | Promise<RowScore>;
}

/** A row of a benchmark as the model gets it. */
export type TaskItem = ChoiceItem | GenerationItem;

/** What a task is asked for. */
export interface TaskRequest {
  /** The folder with the files of all benchmarks. */
  readonly folder: string;
  /** Examples in front of each question. */
  readonly shots: number;
  /** Rows, at most: the first ones of each set. Default: all. */
  readonly limit?: number;
  /** Whether programs that the model writes may run. Default false: tasks that run them refuse. */
  readonly allowCode?: boolean;
}

/**
 * One benchmark: its rows, how they are asked, and how the answers are scored. A plugin lists its tasks under `tasks`;
 * `ChoiceTask` and `GenerationTask` are bases for classes.
 */
export interface Task {
  /** As configs and commands name it: `arc-easy`. */
  readonly id: string;
  /** Grows with every change of a prompt, a filter or a metric, because numbers of two versions do not compare. */
  readonly version: number;
  /** One clause for lists. */
  readonly description: string;
  /** Name of the number that counts, as in `{ accuracy: 0.5 }`. */
  readonly metric: string;
  /** Examples in front of each question, if nobody says otherwise. */
  readonly shots: number;
  /** Score of a guess, from 0 to 1: 0.25 with four choices. */
  readonly chance: number;
  /** All rows, in the order of the benchmark's files. Throws DataError for files that are missing or malformed. */
  items(request: TaskRequest): Promise<readonly TaskItem[]>;
  /** Numbers of the whole task, in the order of the items. Default: the mean of each metric over all rows. */
  aggregate?(scores: readonly RowScore[], items: readonly TaskItem[]): Record<string, number>;
}
