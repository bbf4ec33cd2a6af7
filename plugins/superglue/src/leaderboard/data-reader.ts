import { silentLogger, type Logger, type Model, type Tokenizer } from '@graft/core';
import { checkEncoded, type EncodedExample } from '../encode-examples';
import type { ResolvedSuperGlueOptions } from '../options';
import {
  DIAGNOSTICS,
  diagnosticFile,
  fileOf,
  hasDiagnostic,
  hasPart,
  readDiagnostic,
  readTextTask,
  type Diagnostic,
  type PlacedTextExample,
  type SuperGlueTask,
  type TextTask,
} from '../tasks';
import { encodeAnswer, encodeTexts } from './encode-texts';
import type { TrainingText } from './text-tuner';

/** Examples with what the model reads of them. */
export type Texts = readonly EncodedExample<PlacedTextExample>[];
/** A task that has a text-to-text form. */
export type LeaderboardTask = SuperGlueTask & { readonly text: TextTask };

/** Examples that the best model of a task answers besides those of the validation set. */
export interface AskedSet {
  /** `test`, or the name of a diagnostic set. */
  readonly name: string;
  readonly task: TextTask;
  readonly texts: Texts;
  /** Name of the file in the submission. */
  readonly file: string;
  readonly diagnostic?: Diagnostic;
}

/** The examples of one task. */
export interface TaskData {
  /** One for each right answer. */
  readonly train: readonly (TrainingText & { readonly example: PlacedTextExample })[];
  readonly val: Texts;
  /** Sets that the best model answers, too. */
  readonly asked: readonly AskedSet[];
}

/** The task whose model answers the diagnostic sets. */
const DIAGNOSED = 'rte';

interface ReaderParts {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly logger: Logger;
}

/** Reads and encodes the files of one task after the other. Throws DataError naming file and line. */
export class DataReader {
  constructor(
    private readonly parts: ReaderParts,
    private readonly options: Pick<ResolvedSuperGlueOptions, 'folder' | 'predict' | 'maxTokens' | 'longInputs'>,
  ) {}

  /** `reports`: whether the log tells of passages that lose their end. */
  async read(task: LeaderboardTask, reports: boolean): Promise<TaskData> {
    const { folder } = this.options;
    const train = await readTextTask(folder, task, 'train');
    const val = await readTextTask(folder, task, 'val');
    const all = [...train, ...val];
    const answered = train.filter(({ answers }) => answers !== undefined && answers.length > 0);
    const learnt = this.encode(answered, fileOf(folder, task, 'train'), all, reports);
    return {
      train: learnt.flatMap(({ example, tokens }) =>
        example.answers!.map((answer) => ({
          example,
          source: tokens,
          target: encodeAnswer(example, answer, this.parts),
        })),
      ),
      val: this.encode(val, fileOf(folder, task, 'val'), all, reports),
      asked: await this.readAsked(task, reports),
    };
  }

  private async readAsked(task: LeaderboardTask, reports: boolean): Promise<AskedSet[]> {
    const { folder, predict } = this.options;
    const sets: AskedSet[] = [];
    if (predict !== 'none' && (predict === 'val' || hasPart(folder, task, 'test'))) {
      const examples = await readTextTask(folder, task, predict);
      const texts = this.encode(examples, fileOf(folder, task, predict), examples, reports);
      sets.push({ name: predict, task: task.text, texts, file: task.folder });
    }
    for (const diagnostic of DIAGNOSTICS) {
      if (task.id !== DIAGNOSED || !hasDiagnostic(folder, diagnostic)) continue;
      const examples = await readDiagnostic(folder, diagnostic);
      const texts = this.encode(examples, diagnosticFile(folder, diagnostic.folder), examples, reports);
      sets.push({ name: diagnostic.folder, task: diagnostic.text, texts, file: diagnostic.folder, diagnostic });
    }
    return sets;
  }

  private encode(
    examples: readonly PlacedTextExample[],
    where: string,
    all: readonly PlacedTextExample[],
    reports: boolean,
  ): Texts {
    const { maxTokens } = this.options;
    const logger = reports ? this.parts.logger : silentLogger();
    const read = encodeTexts(examples, this.parts, this.options, all);
    return checkEncoded(read, { where, what: 'examples with an answer', maxTokens, logger });
  }
}
