/** A piece of an example's text. */
export interface TextPart {
  readonly text: string;
  /** Gives way, from its end, when the whole is too long: the passage. One part of an example at most. */
  readonly shortenable?: true;
}

/** One text to be classified. */
export interface ClassificationExample {
  /** The benchmark's own number of the row, with the question's and answer's where a row holds several: `6/2/1`. */
  readonly id: string;
  /** The text for the encoder, in parts whose concatenation it is. */
  readonly parts: readonly TextPart[];
  /** Index into the task's labels; undefined in a test set. */
  readonly label?: number;
  /** Examples that belong to one question (MultiRC) or one query (ReCoRD) share it. */
  readonly group?: string;
}

/** What a model said to an example: a probability for each class. */
export interface ClassificationResult {
  readonly example: ClassificationExample;
  readonly probabilities: ArrayLike<number>;
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

export type Part = 'train' | 'val' | 'test';

export type TaskId = 'boolq' | 'cb' | 'copa' | 'multirc' | 'record' | 'rte' | 'wic' | 'wsc';

export interface SuperGlueTask {
  readonly id: TaskId;
  /** Name of the task's folder in the benchmark. */
  readonly folder: string;
  /** Names of the classes, in order of their index. */
  readonly labels: readonly string[];
  /** Whether it counts for the paper's mean of seven (section 4): all but ReCoRD. */
  readonly inMean: boolean;
  /** The score by which the best trial and pass are chosen. Default: accuracy. */
  readonly selectBy?: string;
  /** The examples that a row becomes. Throws DataError naming file, line and field. */
  examples(row: unknown, place: RowPlace, part: Part): ClassificationExample[];
  /** Numbers of a scored set: `accuracy`, and beside it what the benchmark itself reports. Throws DataError for an empty set. */
  score(results: readonly ClassificationResult[]): Record<string, number>;
}
