/** Shapes: B pairs of answers. */
import { privateCacheFolder } from '@graft/checkpoint/internal';
import {
  AnswerStore,
  IGNORED_LABEL,
  modelDigest,
  pathOption,
  uploadBatch,
  type BatchTensors,
  type FieldSpec,
  type HostArray,
  type HostFields,
  type Logger,
  type Model,
  type Parameters,
  type SampleContext,
} from '@graft/core';
import { tf, type Jitted } from '@graft/engine';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { REJECTED } from '../batch/preference-batch';
import { answerLogProbabilities } from '../loss/answer-log-probabilities';
import type { Reference } from './reference';

/** The field of a batch with what the reference says of its pairs. */
export const KEPT_FIELD: FieldSpec = {
  name: 'reference_log_probabilities',
  dtype: 'float32',
  rank: 2,
  optional: true,
  meaning: "the reference's log-probabilities of the chosen and of the rejected answer",
};

/** The option `keepReference` of objectives. */
export const keepReferenceOption = z
  .union([
    z.boolean(),
    z.strictObject({ folder: pathOption().describe("The folder that keeps them, by the reference's content.") }),
  ])
  .default(false)
  .describe(
    "Computes the log-probabilities of the reference once for each pair, and keeps them for later epochs and runs: `true` in Graft's cache, or in another folder (`{ folder: FOLDER }`). Default: every step computes them.",
  );

/** Whether log-probabilities of the reference are kept, and where. */
export type KeepReferenceOption = z.output<typeof keepReferenceOption>;

/** What the reference says of a pair, in nats. */
const PairSchema = z.strictObject({ chosen: z.number(), rejected: z.number() });
type Pair = z.output<typeof PairSchema>;

/** Another version if what is kept for a pair changes its meaning. */
const FILE = 'preferences-v1.jsonl';

type Compute = Jitted<[Parameters, BatchTensors], tf.Tensor1D>;

/** How log-probabilities are computed and kept. */
export interface KeptReferenceOptions {
  /** Tokens whose logits are in memory together. Default: all. */
  readonly chunkTokens?: number;
  /** Default: in Graft's cache, with the answers to benchmarks. */
  readonly folder?: string;
  readonly logger?: Logger;
}

/**
 * The log-probabilities of a reference, computed when a pair is first read, and kept for later epochs and runs: two numbers
 * and a key for each pair, in memory and in a file. The file is that of the reference's content (parameters, config with
 * the policy for special tokens, precision of the products), and the key that of the tokens which the model reads.
 */
export class KeptReference {
  private store: AnswerStore<Pair> | undefined;
  private compiled: { readonly model: Model; readonly compute: Compute } | undefined;
  private hasWarned = false;

  constructor(
    private readonly reference: Reference,
    private readonly options: KeptReferenceOptions = {},
  ) {}

  /** The field for a batch: float32 [B, 2]. */
  async field(batch: HostFields, context: SampleContext): Promise<HostArray> {
    const store = (this.store ??= await this.open(context));
    const keys = keysOf(batch);
    // A batch with one new pair is computed whole: another number of rows would be another compilation.
    const found = keys.every((key) => store.find(key)) ? undefined : await this.compute(batch, context);
    const pairs = keys.map((key, i) => store.find(key) ?? found![i]);
    if (found) await this.keep(store, new Map(keys.map((key, i) => [key, pairs[i]])));
    const values = Float32Array.from(pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]));
    return { dtype: 'float32', shape: [keys.length, 2], values };
  }

  dispose(): void {
    this.compiled?.compute.dispose();
    this.compiled = undefined;
  }

  /** What is known of this reference. A file that cannot be read costs its numbers, not the run. */
  private async open({ engine, model, parameters }: SampleContext): Promise<AnswerStore<Pair>> {
    const { folder, logger } = this.options;
    const frozen = this.reference.for(model, parameters);
    const digest = await modelDigest(engine, frozen.model, frozen.parameters);
    const file = join(folder ?? privateCacheFolder('answers'), digest, FILE);
    try {
      const store = await AnswerStore.open(file, logger, PairSchema);
      logger?.info(`Log-probabilities of the reference ${digest}: ${store.size} pairs are known, in ${file}`);
      return store;
    } catch (error) {
      logger?.warn(`${(error as Error).message} The reference is computed again, and kept in memory only.`);
      return AnswerStore.open(undefined, logger, PairSchema);
    }
  }

  private async keep(store: AnswerStore<Pair>, pairs: ReadonlyMap<string, Pair>): Promise<void> {
    // JSON has no other numbers, and the step reports what is not finite.
    const isNew = ([key, { chosen, rejected }]: readonly [string, Pair]): boolean =>
      !store.find(key) && Number.isFinite(chosen) && Number.isFinite(rejected);
    try {
      await store.keep(new Map([...pairs].filter(isNew)));
    } catch (error) {
      // Once: the next batch may find space, and memory has the numbers.
      if (!this.hasWarned)
        this.options.logger?.warn(`${(error as Error).message} The reference's log-probabilities stay in memory.`);
      this.hasWarned = true;
    }
  }

  private async compute(batch: HostFields, { engine, model, parameters }: SampleContext): Promise<Pair[]> {
    const frozen = this.reference.for(model, parameters);
    if (this.compiled?.model !== frozen.model) {
      this.dispose();
      const { chunkTokens } = this.options;
      const compute = engine.jit(
        (own: Parameters, fields: BatchTensors): tf.Tensor1D =>
          answerLogProbabilities(frozen.model, own, fields, { training: false, chunkTokens }).sums,
        { name: 'referenceLogProbabilities' },
      );
      this.compiled = { model: frozen.model, compute };
    }
    const fields = uploadBatch(batch);
    let sums: tf.Tensor1D | undefined;
    try {
      sums = await this.compiled.compute.async(frozen.parameters, fields);
      const values = await sums.data();
      return Array.from({ length: values.length / 2 }, (_, i) => ({
        chosen: values[2 * i],
        rejected: values[2 * i + 1],
      }));
    } finally {
      tf.dispose([fields, sums] as tf.TensorContainer);
    }
  }
}

/** Identifies the pair in each row, whatever it is padded to. */
function keysOf(batch: HostFields): string[] {
  const [rows] = batch.labels.shape;
  const row = ({ values, shape: [, length] }: HostArray, i: number): ArrayLike<number> =>
    values.subarray(i * length, (i + 1) * length);
  return Array.from({ length: rows }, (_, i) => {
    const seen = row(batch.attention_mask, i);
    const source = Array.from(row(batch.input_ids, i)).filter((_id, at) => seen[at] !== 0);
    const answers = [batch.labels, batch[`${REJECTED}labels`]].map((labels) =>
      Array.from(row(labels, i)).filter((label) => label !== IGNORED_LABEL),
    );
    const text = JSON.stringify([source, ...answers]);
    return createHash('sha256').update(text).digest('base64').slice(0, 22);
  });
}
