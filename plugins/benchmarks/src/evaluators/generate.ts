import {
  checkContract,
  checkIdsAndMask,
  checkSides,
  componentOption,
  cutAtStop,
  DataError,
  defineComponent,
  Generator,
  generationOf,
  maskedConfig,
  modelInput,
  pathOption,
  sidesOf,
  tokenizerClash,
  watchedItems,
  type Dataset,
  type EvaluationContext,
  type Evaluator,
  type FieldSpec,
  type JsonValue,
  type Logger,
  type Model,
  type RandomStream,
  type RunInfo,
  type SideTokenizers,
} from '@graft/core';
import type { Engine } from '@graft/engine';
import { z } from 'zod';
import { BLEU_TOKENIZERS } from '../metrics/bleu-tokenizers';
import { scoreSamples, type Sample } from './shared/score-samples';
import { sourceFields, sourceIds } from './shared/source-batches';
import { readTextRows, type TextRow } from './shared/text-rows';
import { writeSamples } from './shared/write-samples';

/** The options of the evaluator `generate`. */
export const generateOptions = z
  .strictObject({
    file: pathOption()
      .optional()
      .describe('JSONL file with a source in each row, and optionally references. Either this or `dataset`.'),
    dataset: componentOption('dataset')
      .optional()
      .describe(
        'Data with the fields `source` and optionally `target`, which is the reference. Either this or `file`.',
      ),
    source: z.string().min(1).default('source').describe('Key of the text in a row of the file.'),
    references: z
      .string()
      .min(1)
      .default('target')
      .describe("Key of the reference in a row of the file, a text or a list of texts; rows without it aren't scored."),
    tokenizer: componentOption('tokenizer')
      .default({ use: 'checkpoint' })
      .describe(
        "The tokenizer of the texts, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.",
      ),
    rows: z.int().positive().default(100).describe('Rows to generate from. Data that end earlier are used whole.'),
    batchSize: z.int().positive().default(8).describe('Rows generated together.'),
    maxNewTokens: z
      .int()
      .positive()
      .default(128)
      .describe("Most tokens of an output, whatever the checkpoint's own settings say."),
    stop: z.array(z.string().min(1)).default([]).describe('Texts before which an output ends.'),
    beams: z.int().positive().default(1).describe('Beams of beam search; 1: none.'),
    lengthPenalty: z
      .number()
      .optional()
      .describe("Power of the length by which beam search divides scores. Default: the checkpoint's, otherwise 1."),
    temperature: z
      .number()
      .nonnegative()
      .optional()
      .describe('Tokens are drawn from logits divided by it. Default: the most probable token is taken.'),
    topK: z.int().nonnegative().optional().describe('Tokens are drawn from the k most probable; 0: from all.'),
    topP: z
      .number()
      .gt(0)
      .max(1)
      .optional()
      .describe('Tokens are drawn from the most probable that together have this probability.'),
    repetitionPenalty: z
      .number()
      .positive()
      .optional()
      .describe("Logits of tokens that the output already contains are divided by it. Default: the checkpoint's."),
    bleuTokenizer: z
      .enum(BLEU_TOKENIZERS)
      .default('13a')
      .describe('Tokenization of BLEU, by its name in sacrebleu: `zh` for Chinese, `char` for Japanese.'),
  })
  .refine(({ file, dataset }) => (file === undefined) !== (dataset === undefined), {
    error: 'expected either file or dataset',
  })
  .refine((options) => options.beams === 1 || !samples(options), {
    path: ['beams'],
    error: 'does not go with temperature, topK and topP: beam search follows the most probable sequences',
  })
  .refine(
    ({ beams, stop, repetitionPenalty }) => beams === 1 || (stop.length === 0 && repetitionPenalty === undefined),
    {
      path: ['beams'],
      error: 'does not go with stop and repetitionPenalty',
    },
  )
  .refine(({ beams, lengthPenalty }) => beams > 1 || lengthPenalty === undefined, {
    path: ['lengthPenalty'],
    error: 'belongs to beam search: set beams to 2 or more',
  });

const samples = ({ temperature, topK, topP }: { temperature?: number; topK?: number; topP?: number }): boolean =>
  [temperature, topK, topP].some((value) => value !== undefined);

/** What a config or code may write. */
export type GenerateEvaluatorOptions = z.input<typeof generateOptions>;
/** The same with every default filled in. */
export type ResolvedGenerateEvaluatorOptions = z.output<typeof generateOptions>;

interface Parts {
  readonly engine: Engine;
  readonly tokenizers: SideTokenizers;
  readonly logger: Logger;
  /** Undefined: `options.file` has the rows. */
  readonly dataset?: Dataset;
  /** In its folder are the outputs. */
  readonly run?: RunInfo;
}

/** A row with the ids that the model reads. */
interface Prompt extends TextRow {
  readonly ids: Int32Array;
}

/** Sources are padded to multiples of this many tokens: every length is compiled by itself. */
const LENGTH_STEP = 32;

const SOURCE: FieldSpec = { name: 'source', dtype: 'int32', rank: 1 };

/**
 * Generates from held-out texts and compares the outputs with references. Returns `rows`, `newTokens` (mean number for each
 * row) and `unfinished` (share of rows that reached `maxNewTokens` without an end); with references also `bleu` and `chrf`
 * of the corpus (0 to 100), and as means over rows `rouge1`, `rouge2` and `rougeL` (F1), `exactMatch` and `f1` as SQuAD
 * computes them (0 to 1). The outputs are in the run's folder, `samples/NAME-step-N.jsonl`, and next to it a `.json`
 * with the settings and signatures. Every evaluation uses the same rows.
 */
export class GenerateEvaluator implements Evaluator {
  private readonly start: JsonValue;
  private hasNoted = false;
  private compiled: { readonly model: Model; readonly generator: Generator } | undefined;

  /** Throws DataError for a dataset without sources. */
  constructor(
    private readonly parts: Parts,
    private readonly options: ResolvedGenerateEvaluatorOptions,
  ) {
    const { dataset } = parts;
    this.start = dataset?.position() ?? null;
    if (dataset === undefined) return;
    if (dataset.kind === 'batch')
      throw new DataError('The dataset of the evaluator "generate" gives ready batches, but it takes single rows.', {
        code: 'data.contract',
        exitCode: 2,
        hint: 'Name a dataset with the fields source and target, such as jsonl.',
      });
    checkContract(dataset.fields, [SOURCE], 'the dataset of "generate"', 'the evaluator "generate"');
  }

  /** Throws GraftError for a model that does not generate, and DataError if there is no row. */
  async check({ model }: Pick<EvaluationContext, 'model'>): Promise<void> {
    this.generatorOf(model);
    const rows = (await this.prompts(model)).map(({ ids }) => ids);
    // Ids beyond the vocabulary.
    checkIdsAndMask(sourceFields(model, rows), 'input_ids', 'attention_mask', model, 'The texts of "generate"');
  }

  async evaluate(context: EvaluationContext): Promise<Record<string, number>> {
    const { model, random, step } = context;
    const outputs = await this.samplesOf(await this.prompts(model), context);
    const scored = scoreSamples(outputs, this.options);
    this.noteSignatures(Object.values(scored.signatures));
    if (this.parts.run)
      await writeSamples(this.parts.run.folder, {
        name: nameOf(random),
        step,
        options: maskedConfig(this.options),
        ...scored,
      });
    return scored.metrics;
  }

  /** Once for all evaluations. */
  private noteSignatures(signatures: readonly string[]): void {
    if (!this.hasNoted) for (const signature of signatures) this.parts.logger.info(`Scored with ${signature}`);
    this.hasNoted = true;
  }

  dispose(): void {
    this.compiled?.generator.dispose();
    this.compiled = undefined;
    this.parts.dataset?.dispose?.();
  }

  /** The outputs in the order of the prompts, which are generated by length. */
  private async samplesOf(
    prompts: readonly Prompt[],
    { model, parameters, random, signal, progress }: EvaluationContext,
  ): Promise<Sample[]> {
    const size = Math.min(this.options.batchSize, prompts.length);
    const byLength = [...prompts.keys()].sort((a, b) => prompts[a].ids.length - prompts[b].ids.length);
    const outputs = Array<Sample>(prompts.length);
    for (let done = 0; done < byLength.length; done += size) {
      signal?.throwIfAborted();
      progress?.({ done, total: byLength.length, unit: 'rows' });
      const batch = byLength.slice(done, done + size);
      // A last batch of fewer rows would be compiled by itself: its last row fills it.
      const rows = Array.from({ length: size }, (_, i) => prompts[batch[Math.min(i, batch.length - 1)]].ids);
      const seed = random
        .fork('draws')
        .fork(done)
        .integer(2 ** 31);
      const sequences = await this.generate(model, parameters, rows, { seed, signal });
      signal?.throwIfAborted();
      batch.forEach((place, i) => {
        outputs[place] = this.sampleOf(prompts[place], sequences[i], model);
      });
    }
    return outputs;
  }

  private async generate(
    model: Model,
    parameters: EvaluationContext['parameters'],
    rows: readonly Int32Array[],
    { seed, signal }: { readonly seed: number; readonly signal?: AbortSignal },
  ): Promise<readonly Int32Array[]> {
    const { beams, lengthPenalty, maxNewTokens, stop, temperature, topK, topP, repetitionPenalty } = this.options;
    const { decoder } = this.parts.tokenizers;
    const generator = this.generatorOf(model);
    const common = { fields: sourceFields(model, rows, LENGTH_STEP), maxNewTokens, signal };
    if (beams > 1) return (await generator.search(parameters, { ...common, beams, lengthPenalty })).sequences;
    return generator.generate(parameters, {
      ...common,
      sampling: { sample: samples(this.options), temperature, topK, topP, repetitionPenalty, seed },
      shouldStop:
        stop.length === 0
          ? undefined
          : (tokens) => {
              const text = decoder.decode(tokens);
              return stop.some((one) => text.includes(one));
            },
    });
  }

  private sampleOf({ source, references, ids }: Prompt, sequence: Int32Array, model: Model): Sample {
    const { eos, pad } = generationOf(model);
    const { decoder } = this.parts.tokenizers;
    const prompt = model.kind === 'decoder-only' ? ids.length : 1;
    // Behind its own limit is what fills rows with shorter prompts: after beam search that may be an end token.
    const own = Array.from(sequence.subarray(prompt, prompt + this.options.maxNewTokens));
    const end = own.findIndex((id) => eos.includes(id));
    const tokens = end >= 0 ? own.slice(0, end) : withoutPadding(own, pad);
    const text = decoder.decode(tokens);
    const output = cutAtStop(text, this.options.stop);
    return {
      source,
      output,
      references,
      newTokens: tokens.length,
      isFinished: end >= 0 || output.length < text.length,
    };
  }

  private async prompts(model: Model): Promise<Prompt[]> {
    const { dataset, tokenizers } = this.parts;
    if (dataset) return this.promptsOf(dataset, model);
    const { file, rows, source, references } = this.options;
    return (await readTextRows(file!, { source, references }, rows)).map((row) => ({
      ...row,
      ids: sourceIds(model, tokenizers, row.source),
    }));
  }

  private async promptsOf(dataset: Dataset, model: Model): Promise<Prompt[]> {
    const { encoder, decoder } = this.parts.tokenizers;
    const prompts: Prompt[] = [];
    await dataset.restore(this.start);
    for await (const { source, target } of watchedItems(dataset)) {
      prompts.push({
        ids: modelInput(model, source.values as Int32Array),
        source: (model.kind === 'decoder-only' ? decoder : encoder).decode(source.values),
        references: target ? [decoder.decode(target.values)] : [],
      });
      if (prompts.length === this.options.rows) break;
    }
    await dataset.restore(this.start);
    if (prompts.length > 0) return prompts;
    throw new DataError('The dataset of the evaluator "generate" gave no row.', {
      code: 'data.empty',
      exitCode: 2,
      hint: 'Look at its files, and at the fraction held out (split.holdOut).',
    });
  }

  private generatorOf(model: Model): Generator {
    if (this.compiled?.model === model) return this.compiled.generator;
    this.compiled?.generator.dispose();
    const { engine, logger, tokenizers } = this.parts;
    const { encoder, decoder } = tokenizers;
    const isTwo = encoder !== decoder;
    checkSides({ tokenizer: decoder, tokenizers: isTwo ? tokenizers : undefined }, model, 'The texts of "generate"');
    const clash = tokenizerClash(decoder, model, isTwo ? encoder : undefined);
    if (clash !== undefined) logger.warn(`The evaluator "generate": ${clash}`);
    this.compiled = { model, generator: new Generator(engine, model) };
    return this.compiled.generator;
  }
}

/** Rows that a stop text ended before the longest of their batch end in pad tokens. */
function withoutPadding(tokens: readonly number[], pad: number): readonly number[] {
  let length = tokens.length;
  while (length > 0 && tokens[length - 1] === pad) length--;
  return tokens.slice(0, length);
}

/** The evaluator's name in the config, as the last part of the name of its stream. */
const nameOf = ({ name }: RandomStream): string => name.slice(name.lastIndexOf('/') + 1);

export const generate = defineComponent({
  interface: 'evaluator',
  id: 'generate',
  description: 'outputs for held-out texts, with BLEU, chrF, ROUGE, exact match and F1 against references',
  options: generateOptions,
  useFactory: async ({ options, components, engine, logger, run }) => {
    const tokenizers = sidesOf(await components.create('tokenizer', options.tokenizer));
    const dataset = options.dataset && (await components.create('dataset', options.dataset));
    return new GenerateEvaluator({ engine, logger, run, tokenizers, dataset }, options);
  },
});
