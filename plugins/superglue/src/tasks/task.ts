/** A piece of an example's text. */
export interface TextPart {
  readonly text: string;
  /** Shortened at its end when the whole is too long: the passage. At most one part of an example. */
  readonly shortenable?: true;
}

/** One text to be classified. */
export interface ClassificationExample {
  /** The benchmark's own number of the row, with the question's and answer's if a row has several: `6/2/1`. */
  readonly id: string;
  /** The text for the encoder, in parts to be concatenated. */
  readonly parts: readonly TextPart[];
  /** Index into the task's labels; undefined in a test set. */
  readonly label?: number;
  /** Examples that belong to one question (MultiRC) or one query (ReCoRD) share it. */
  readonly group?: string;
}

/** A model's prediction for an example: a probability for each class. */
export interface ClassificationResult {
  readonly example: ClassificationExample;
  readonly probabilities: ArrayLike<number>;
}

/** A text and the texts that answer it, in the form of T5 (Raffel et al., 2020). */
export interface TextExample {
  /** As of a `ClassificationExample`. */
  readonly id: string;
  /** What the model reads, in parts to be concatenated. */
  readonly parts: readonly TextPart[];
  /** The task's labels, the passage's entities or the noun: a model that chooses its answer chooses among these. */
  readonly choices: readonly string[];
  /**
   * The right answers, of which each is a training example: none for a noun that the pronoun does not stand for. Undefined
   * in a test set.
   */
  readonly answers?: readonly string[];
  /** Examples that belong to one question (MultiRC) or one pair (AX-g) share it. */
  readonly group?: string;
}

/** An example with the line that it comes from. */
export interface PlacedTextExample extends TextExample {
  readonly place: RowPlace;
}

/** What a model answers to an example, without white space around. */
export interface TextResult {
  readonly example: TextExample;
  readonly text: string;
}

/** A task as the leaderboard scores it: text to text. */
export interface TextTask {
  /** Whether the model always writes its answer: there is nothing to choose from. Default false. */
  readonly isWritten?: boolean;
  /** The examples of a row. Throws DataError naming file, line and field. */
  examples(row: unknown, place: RowPlace, part: Part): TextExample[];
  /** The benchmark's metrics of a set with answers, from 0 to 1, of which the mean is the task's score. */
  metrics(results: readonly TextResult[]): Record<string, number>;
  /** Whether a text names none of the task's answers, so that it is wrong whatever the right one is. */
  isInvalid(result: TextResult): boolean;
  /** The objects of the submission, one a line. */
  submission(results: readonly TextResult[]): object[];
}

/** A line of a task's file: `train.jsonl`, line 3. For errors. */
export interface RowPlace {
  readonly file: string;
  readonly line: number;
}

/** An example with the line that it comes from. */
export interface PlacedExample extends ClassificationExample {
  readonly place: RowPlace;
}

/** A part of a task's data. */
export type Part = 'train' | 'val' | 'test';

/** A task of the benchmark, as a config names it. */
export type TaskId = 'boolq' | 'cb' | 'copa' | 'multirc' | 'record' | 'rte' | 'wic' | 'wsc';

/** A task: how its rows become texts and labels, and how predictions are scored. */
export interface SuperGlueTask {
  readonly id: TaskId;
  /** Name of the task's folder in the benchmark. */
  readonly folder: string;
  /** Names of the classes, by index. */
  readonly labels: readonly string[];
  /** Whether it counts for the paper's mean of seven (section 4): all but ReCoRD. */
  readonly inMean: boolean;
  /** The score that chooses the best trial and epoch. Default: accuracy. */
  readonly selectBy?: string;
  /** The examples of a row. Throws DataError naming file, line and field. */
  examples(row: unknown, place: RowPlace, part: Part): ClassificationExample[];
  /** The task in text-to-text form. Default: only the paper's protocol has it. */
  readonly text?: TextTask;
  /** Scores of a set: `accuracy`, and the benchmark's own metrics. Throws DataError for an empty set. */
  score(results: readonly ClassificationResult[]): Record<string, number>;
}
