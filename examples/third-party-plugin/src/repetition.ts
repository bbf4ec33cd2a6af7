/** Shapes: B texts, S tokens that the encoder reads, T tokens that the decoder writes. */
import {
  checkContract,
  componentOption,
  DataError,
  defineComponent,
  uploadBatch,
  type BatchTensors,
  type Dataset,
  type EvaluationContext,
  type Evaluator,
  type FieldSpec,
  type JsonValue,
  type Model,
  type Parameters,
} from '@graft/core';
import { tf, type Engine, type Jitted } from '@graft/engine';
import { z } from 'zod';
import { maskOf, padRows } from './rows';

export const repetitionOptions = z.strictObject({
  /** The source of the texts whose beginnings the model continues; the field `tokens` is used. */
  dataset: componentOption('dataset'),
  /** Number of texts. A dataset that ends earlier is used completely. */
  texts: z.int().positive().default(16),
  /** Tokens of each text that the encoder reads, from its beginning. */
  promptTokens: z.int().positive().default(32),
  /** Tokens that the decoder writes for each, fewer if it ends the text itself. */
  newTokens: z.int().positive().default(32),
  /** Length of the compared n-grams, in tokens. */
  ngram: z.int().positive().default(3),
});

export type RepetitionOptions = z.output<typeof repetitionOptions>;

const TOKENS: FieldSpec = { name: 'tokens', dtype: 'int32', rank: 1 };

/**
 * The share of all n-grams that had occurred before in their own sequence: from 0 (no repetition) to almost 1 (a single
 * token repeated). 0 if every sequence is shorter than n.
 *
 *     [[5, 6, 5, 6, 5]], n 2   ->   0.5: of 5-6, 6-5, 5-6, 6-5 two are repetitions
 */
export function repeatedShare(sequences: readonly (readonly number[])[], n: number): number {
  let all = 0;
  let repeated = 0;
  for (const sequence of sequences) {
    const seen = new Set<string>();
    for (let end = n; end <= sequence.length; end++) {
      const gram = sequence.slice(end - n, end).join();
      all++;
      if (seen.has(gram)) repeated++;
      seen.add(gram);
    }
  }
  return all === 0 ? 0 : repeated / all;
}

type NextTokens = Jitted<[Parameters, BatchTensors], tf.Tensor>;

/**
 * Measures how much a model repeats itself in greedy decoding. Returns `repeated` (see `repeatedShare`) and `tokens`
 * (average number written per text, without the end of sequence). Every evaluation uses the same texts.
 */
export class Repetition implements Evaluator {
  private readonly start: JsonValue;
  private compiled: { readonly model: Model; readonly next: NextTokens } | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly dataset: Dataset,
    private readonly options: Omit<RepetitionOptions, 'dataset'>,
  ) {
    if (dataset.kind !== 'examples') {
      throw new DataError('The evaluator "repetition" wants single texts, but its dataset gives ready batches.', {
        code: 'denoising.dataset',
        exitCode: 2,
      });
    }
    checkContract(dataset.fields, [TOKENS], 'the dataset of "repetition"', 'the evaluator "repetition"');
    this.start = dataset.position();
  }

  async evaluate({ model, parameters, signal }: EvaluationContext): Promise<Record<string, number>> {
    if (model.kind !== 'encoder-decoder') {
      throw new DataError(
        `The evaluator "repetition" is for encoder-decoder models, but this model is ${model.kind}.`,
        {
          code: 'denoising.model-kind',
          exitCode: 2,
        },
      );
    }
    const prompts = await this.prompts();
    if (prompts.length === 0) {
      throw new DataError('The dataset of the evaluator "repetition" gave no text.', { code: 'denoising.empty' });
    }
    const written = await this.write(model, parameters, prompts, signal);
    const tokens = written.reduce((sum, sequence) => sum + sequence.length, 0) / written.length;
    return { repeated: repeatedShare(written, this.options.ngram), tokens };
  }

  /** Called at the end of the run. */
  dispose(): void {
    this.compiled?.next.dispose();
    this.compiled = undefined;
    this.dataset.dispose?.();
  }

  private async prompts(): Promise<ArrayLike<number>[]> {
    const prompts: ArrayLike<number>[] = [];
    await this.dataset.restore(this.start);
    for await (const { tokens } of this.dataset) {
      prompts.push(tokens.values.subarray(0, this.options.promptTokens));
      if (prompts.length === this.options.texts) break;
    }
    return prompts;
  }

  /**
   * Greedy decoding. The whole decoder input goes through the model for every token, always in one shape: positions not
   * written yet are padding, to which no earlier position attends. Slower than a key/value cache, but it needs only
   * `forward` of the model and is compiled once.
   */
  private async write(
    model: Model,
    parameters: Parameters,
    prompts: readonly ArrayLike<number>[],
    signal?: AbortSignal,
  ): Promise<number[][]> {
    const { promptTokens, newTokens } = this.options;
    const { pad, start, eos } = model.specialTokens;
    const ends = model.endTokens ?? eos;
    const next = this.nextTokens(model);
    const source = padRows(prompts, promptTokens, pad); // [B, S]
    const mask = maskOf(prompts, promptTokens);
    const written = prompts.map((): number[] => []);
    const ended = prompts.map(() => false);
    for (let at = 0; at < newTokens && ended.includes(false); at++) {
      signal?.throwIfAborted();
      const soFar = padRows(
        written.map((sequence) => [start, ...sequence]),
        newTokens,
        pad,
      ); // [B, T]
      const batch = uploadBatch({ input_ids: source, attention_mask: mask, decoder_input_ids: soFar });
      let choices: tf.Tensor | undefined;
      try {
        choices = await next.async(parameters, batch); // [B, T]
        const values = await choices.data();
        written.forEach((sequence, row) => {
          const token = values[row * newTokens + at];
          ended[row] ||= ends.includes(token);
          if (!ended[row]) sequence.push(token);
        });
      } finally {
        choices?.dispose();
        tf.dispose(batch);
      }
    }
    return written;
  }

  private nextTokens(model: Model): NextTokens {
    if (this.compiled?.model !== model) {
      this.compiled?.next.dispose();
      const next = this.engine.jit(
        (parameters: Parameters, batch: BatchTensors) => tf.argMax(model.forward(parameters, batch).logits, -1).toInt(),
        { name: 'nextTokens' },
      );
      this.compiled = { model, next };
    }
    return this.compiled.next;
  }
}

export const repetition = defineComponent({
  interface: 'evaluator',
  id: 'repetition',
  description: 'share of repeated n-grams in what the model writes',
  options: repetitionOptions,
  useFactory: async ({ options, components, engine }) =>
    new Repetition(engine, await components.create('dataset', options.dataset), options),
});
