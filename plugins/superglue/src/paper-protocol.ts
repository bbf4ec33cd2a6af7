import {
  checkSide,
  createRandom,
  sidesOf,
  tokenizerClash,
  tokensOfSide,
  type Model,
  type Tokenizer,
} from '@graft/core';
import { checkEncoded, encodeExamples, type EncodedExample } from './encode-examples';
import { FineTuner } from './fine-tune';
import { superGlueOptions, type ResolvedSuperGlueOptions } from './options';
import type { Parts, OpenTask, Protocol } from './protocol';
import { specialsAround, type Around } from './specials-around';
import { fileOf, findTask, readTask, TASKS, type PlacedExample, type SuperGlueTask } from './tasks';
import { largestShare } from './tasks/scores';
import { drawRows, sizeOf } from './train-rows';

interface TaskData {
  readonly train: readonly EncodedExample<PlacedExample>[];
  readonly val: readonly EncodedExample<PlacedExample>[];
}

/**
 * The paper's protocol (section 4): the model's encoder and a fresh head on its last token are fine-tuned, and the
 * accuracy on the validation set counts.
 */
export class PaperProtocol implements Protocol {
  readonly headline = 'accuracy';
  readonly hasHead = true;
  readonly tasks: readonly string[];
  readonly meanOf = TASKS.filter(({ inMean }) => inMean).length;
  readonly conditions: object;
  private readonly around: Around;
  private readonly tokenizer: Tokenizer;
  private readonly tuner: FineTuner;
  private readonly data = new Map<string, TaskData>();

  /** Throws DataError for a model that the tokenizer or the options do not fit. */
  constructor(
    private readonly parts: Parts,
    private readonly options: ResolvedSuperGlueOptions,
    model: Model,
  ) {
    const { engine, optimizer, schedule, tokenizer, logger } = parts;
    this.tokenizer = readingTokenizer(tokenizer, model);
    const clash = tokenizerClash(this.tokenizer, {
      kind: model.kind,
      specialTokens: tokensOfSide(model, 'encoder').specialTokens,
    });
    if (clash !== undefined) logger.warn(clash);
    this.around = specialsAround(model, options);
    this.tasks = TASKS.filter(({ id }) => options.tasks.includes(id)).map(({ id }) => id);
    this.conditions = conditionsOf(options, this.around);
    this.tuner = new FineTuner(engine, model, optimizer, schedule, options);
  }

  async check(): Promise<void> {
    for (const id of this.tasks) this.data.set(id, await this.read(findTask(id)));
  }

  async open(id: string): Promise<OpenTask> {
    const task = findTask(id);
    const { train, val } = this.data.get(id) ?? (await this.read(task));
    const { trainRows } = this.options;
    return {
      id,
      val: val.length,
      size: sizeOf(trainRows, train.length, val.length),
      selectBy: task.selectBy ?? 'accuracy',
      inMean: task.inMean,
      majority: largestShare(val.map(({ example }) => example.label)),
      fineTune: (start, run) => {
        const drawn = drawRows(train, trainRows, run.random);
        return this.tuner.fineTune(start, task, { train: drawn, val }, run);
      },
    };
  }

  dispose(): void {
    this.tuner.dispose();
  }

  private async read(task: SuperGlueTask): Promise<TaskData> {
    const { folder, maxTokens, trainRows } = this.options;
    const { logger } = this.parts;
    const train = await readTask(folder, task, 'train');
    const val = await readTask(folder, task, 'val');
    const all = [...train, ...val];
    const encode = (part: 'train' | 'val', examples: readonly PlacedExample[]): TaskData['train'] => {
      const where = fileOf(folder, task, part);
      const read = encodeExamples(examples, this.tokenizer, { ...this.options, ...this.around }, all);
      return checkEncoded(read, { where, what: 'examples', maxTokens, logger });
    };
    const data = { train: encode('train', train), val: encode('val', val) };
    drawRows(data.train, trainRows, createRandom(0));
    return data;
  }
}

/**
 * The tokenizer of the side whose states the head reads (paper, section 4): of an encoder-decoder, the encoder. Throws
 * DataError if that side has fewer tokens.
 */
function readingTokenizer(tokenizer: Tokenizer, model: Model): Tokenizer {
  const side = model.kind === 'decoder-only' ? 'decoder' : 'encoder';
  const reads = sidesOf(tokenizer)[side];
  // A model with one side was always checked by the ids alone.
  if (tokenizer.encoderSide || model.encoderTokens) checkSide(reads, model, side, 'The evaluator "superglue"');
  return reads;
}

/** In the schema's order, for values of the options and of the model's policy alike. */
function conditionsOf(options: ResolvedSuperGlueOptions, { bos, eos }: Around): object {
  const { mode, tasks, learningRates, batchSizes, dropouts, modelDropouts, select, seeds, ...own } = options;
  const { objective, answers, predict, ...others } = own;
  void [mode, tasks, learningRates, batchSizes, dropouts, modelDropouts, select, seeds, objective, answers, predict];
  const settings: Record<string, unknown> = { ...others, prependBos: bos !== undefined, appendEos: eos !== undefined };
  const ordered = Object.keys(superGlueOptions.shape).filter((key) => key in settings);
  return Object.fromEntries(ordered.map((key) => [key, settings[key]]));
}
