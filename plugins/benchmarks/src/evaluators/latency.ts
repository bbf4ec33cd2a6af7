import {
  componentOption,
  defineComponent,
  Generator,
  pathOption,
  sidesOf,
  tokensOfSide,
  uploadBatch,
  type BatchTensors,
  type Decoding,
  type DecodingState,
  type EvaluationContext,
  type Evaluator,
  type GenerateOptions,
  type HostFields,
  type Model,
  type Parameters,
  type RandomStream,
  type SideTokenizers,
} from '@graft/core';
import { tf, type Engine, type Jitted } from '@graft/engine';
import { z } from 'zod';
import { MemoryPeak } from './shared/memory-peak';
import { quartiles } from './shared/quartiles';
import { sourceFields, sourceIds } from './shared/source-batches';
import { readTextRows } from './shared/text-rows';

/** The options of the evaluator `latency`. */
export const latencyOptions = z
  .strictObject({
    batchSizes: z.array(z.int().positive()).min(1).default([1]).describe('Numbers of rows generated together.'),
    file: pathOption()
      .optional()
      .describe(
        'JSONL file with prompts, of which each batch has the first ones, again from the start if there are fewer. Default: random tokens.',
      ),
    source: z.string().min(1).default('source').describe('Key of the text in a row of the file.'),
    tokenizer: componentOption('tokenizer')
      .default({ use: 'checkpoint' })
      .describe("The tokenizer of the file's texts. Default: the checkpoint's own."),
    inputTokens: z
      .int()
      .positive()
      .optional()
      .describe(
        'Random tokens of a row: the source of an encoder, or the prompt of a decoder-only model. Default: 512.',
      ),
    newTokens: z.int().min(2).default(32).describe('Tokens generated for each row; end tokens do not end it.'),
    warmup: z.int().positive().default(1).describe('Generations that are not measured; the first of them compiles.'),
    repeats: z.int().positive().default(10).describe('Generations that are measured.'),
  })
  .refine(({ file, inputTokens }) => file === undefined || inputTokens === undefined, {
    path: ['inputTokens'],
    error: 'belongs to random tokens; the texts of a file have their own lengths',
  });

/** What a config or code may write. */
export type LatencyOptions = z.input<typeof latencyOptions>;
/** The same with every default filled in. */
export type ResolvedLatencyOptions = z.output<typeof latencyOptions>;

const DEFAULT_INPUT_TOKENS = 512;

interface Parts {
  readonly engine: Engine;
  /** Of the file's texts. */
  readonly tokenizers?: SideTokenizers;
}

/** Milliseconds of the parts of generations of one batch. */
interface Timings {
  readonly encoding: number[];
  readonly firstToken: number[];
  readonly nextToken: number[];
  readonly all: number[];
}

type Encode = Jitted<[Parameters, BatchTensors], { readonly states: DecodingState; readonly probe: tf.Tensor }>;

/**
 * How long greedy generation takes. For each batch size, as `batch1.encoding/ms` and so on: the median of `encoding` (only
 * encoder-decoders; compiled and measured by itself), `firstToken` (from the call to the first token, encoding included),
 * `nextToken` (each further one) and `all` (the whole generation), with the quartiles `q1` and `q3`; further
 * `batch1.inputTokens` (columns of the padded batch), `batch1.tokensPerSecond` (all rows together), and the peak of the
 * memory (`batch1.peakDeviceBytes` where the device tells, otherwise `batch1.peakResidentBytes` of the process).
 */
export class LatencyEvaluator implements Evaluator {
  private compiled: { readonly model: Model; readonly generator: Generator; readonly encode?: Encode } | undefined;

  constructor(
    private readonly parts: Parts,
    private readonly options: ResolvedLatencyOptions,
  ) {}

  /** Throws GraftError for a model that does not generate, and DataError for prompts that cannot be read. */
  async check({ model }: Pick<EvaluationContext, 'model'>): Promise<void> {
    this.compile(model);
    await this.rowsOf(model, undefined);
  }

  async evaluate(context: EvaluationContext): Promise<Record<string, number>> {
    const { batchSizes } = this.options;
    const numbers: Record<string, number> = {};
    for (const [i, batchSize] of batchSizes.entries()) {
      const part = `batch ${batchSize} (${i + 1} of ${batchSizes.length})`;
      for (const [name, value] of Object.entries(await this.measure(batchSize, part, context)))
        numbers[`batch${batchSize}.${name}`] = value;
    }
    return numbers;
  }

  dispose(): void {
    this.compiled?.generator.dispose();
    this.compiled?.encode?.dispose();
    this.compiled = undefined;
  }

  private async measure(
    batchSize: number,
    part: string,
    { model, parameters, random, signal, progress }: EvaluationContext,
  ): Promise<Record<string, number>> {
    const { newTokens, warmup, repeats } = this.options;
    const rows = await this.rowsOf(model, random);
    const fields = sourceFields(
      model,
      Array.from({ length: batchSize }, (_, i) => rows[i % rows.length]),
    );
    const timings: Timings = { encoding: [], firstToken: [], nextToken: [], all: [] };
    const memory = new MemoryPeak(this.parts.engine);
    try {
      for (let done = 0; done < warmup + repeats; done++) {
        signal?.throwIfAborted();
        progress?.({ done, total: warmup + repeats, unit: 'generations', part });
        // What is measured while the engine still compiles does not count.
        const into = done < warmup ? { encoding: [], firstToken: [], nextToken: [], all: [] } : timings;
        await this.timeEncoding(model, parameters, fields, into);
        await this.timeTokens(model, parameters, { fields, signal }, into);
        memory.sample();
      }
      signal?.throwIfAborted();
    } finally {
      memory.stop();
    }
    const seconds = quartiles(timings.all).median / 1000;
    return {
      ...Object.fromEntries(
        Object.entries(timings as unknown as Record<string, number[]>).flatMap(([name, own]) => {
          if (own.length === 0) return [];
          const { median, q1, q3 } = quartiles(own);
          return Object.entries({ ms: median, q1, q3 }).map(([key, value]) => [`${name}/${key}`, value]);
        }),
      ),
      inputTokens: fields.input_ids.shape[1],
      tokensPerSecond: (batchSize * newTokens) / seconds,
      ...memory.numbers(),
    };
  }

  private async timeEncoding(
    model: Model,
    parameters: Parameters,
    fields: HostFields,
    { encoding }: Timings,
  ): Promise<void> {
    const { encode } = this.compile(model);
    if (!encode) return;
    const { input_ids, attention_mask } = fields;
    // As in generation: a mask that hides nothing would cost a pass over the scores.
    const source = uploadBatch({ input_ids, ...(attention_mask.values.includes(0) && { attention_mask }) });
    this.parts.engine.upload(source);
    try {
      const began = performance.now();
      const encoded = await encode.async(parameters, source);
      // A device may still compute when the call returns.
      await encoded.probe.data();
      encoding.push(performance.now() - began);
      tf.dispose(encoded as unknown as tf.TensorContainer);
    } finally {
      tf.dispose(source);
    }
  }

  private async timeTokens(
    model: Model,
    parameters: Parameters,
    given: Pick<GenerateOptions, 'fields' | 'signal'>,
    { firstToken, nextToken, all }: Timings,
  ): Promise<void> {
    const { generator } = this.compile(model);
    const began = performance.now();
    let before = began;
    // Without end tokens, so that every generation has the same length.
    const settings = { ...given, maxNewTokens: this.options.newTokens, eos: [], sampling: { repetitionPenalty: 1 } };
    for await (const { index } of generator.stream(parameters, settings)) {
      const now = performance.now();
      (index === 0 ? firstToken : nextToken).push(now - before);
      before = now;
    }
    all.push(before - began);
  }

  /** Ids of the prompts; `random` undefined: only whether they can be read matters. */
  private async rowsOf(model: Model, random: RandomStream | undefined): Promise<readonly Int32Array[]> {
    const { file, source, inputTokens = DEFAULT_INPUT_TOKENS, batchSizes } = this.options;
    const most = Math.max(...batchSizes);
    if (file !== undefined) {
      const rows = await readTextRows(file, { source, references: source }, most);
      return rows.map((row) => sourceIds(model, this.parts.tokenizers!, row.source));
    }
    if (!random) return [];
    const side = tokensOfSide(model, model.kind === 'decoder-only' ? 'decoder' : 'encoder');
    const draws = random.fork('prompts');
    return Array.from({ length: most }, () =>
      Int32Array.from({ length: inputTokens }, () => draws.integer(side.vocabularySize)),
    );
  }

  private compile(model: Model): { readonly generator: Generator; readonly encode?: Encode } {
    if (this.compiled?.model === model) return this.compiled;
    this.dispose();
    const { engine } = this.parts;
    const generator = new Generator(engine, model);
    this.compiled = { model, generator, encode: model.kind === 'decoder-only' ? undefined : encodeOf(engine, model) };
    return this.compiled;
  }
}

/** The encoder by itself, with a number of its result, which is known once everything is computed. */
function encodeOf(engine: Engine, { decoding }: Model): Encode {
  const encode = decoding!.encode!.bind(decoding) as NonNullable<Decoding['encode']>;
  return engine.jit(
    (parameters: Parameters, source: BatchTensors) => {
      const states = encode(parameters, source);
      const [first] = Object.values(states);
      return { states, probe: tf.slice(tf.reshape(first, [-1]), [0], [1]) };
    },
    { name: 'encode', largePages: true },
  );
}

export const latency = defineComponent({
  interface: 'evaluator',
  id: 'latency',
  description: 'time of encoding, of the first token and of each further one, and peak memory',
  options: latencyOptions,
  useFactory: async ({ options, engine, components }) => {
    if (options.file === undefined) return new LatencyEvaluator({ engine }, options);
    const tokenizers = sidesOf(await components.create('tokenizer', options.tokenizer));
    return new LatencyEvaluator({ engine, tokenizers }, options);
  },
});
