/** Shapes as in passes.ts; V vocabulary, D width of a state. */
import { DataError, tf, type Engine, type Jitted } from '@graft/engine';
import { uploadBatch } from '../data/loader';
import type { BatchTensors, HostFields, LikelihoodAnswer, Model, Parameters } from '../interfaces';
import type { EncodedRequest } from './encode-request';
import { batchesOf, SCORED_TOGETHER, type BatchLimits, type ScoreBatch } from './passes';

/** The answer to one of the requests. */
export interface ScoredRequest {
  /** Its place among the requests. */
  readonly request: number;
  readonly answer: LikelihoodAnswer;
}

interface Scores {
  /** float32 [Q] */
  readonly logProbabilities: tf.Tensor1D;
  /** float32 [Q]: 1 where the token is the most probable one. */
  readonly greedy: tf.Tensor1D;
}

/**
 * Scores continuations with one model. Compiled once for each shape; an encoder reads a prompt once for all of its
 * continuations, and logits are computed only where a continuation is predicted. `dispose` frees the programs.
 */
export class LikelihoodScorer {
  private readonly compute: Jitted<
    [Parameters, BatchTensors, tf.Tensor1D | undefined, tf.Tensor1D, tf.Tensor1D],
    Scores
  >;

  /** Throws DataError for an encoder-only model, which has no logits. */
  constructor(
    engine: Engine,
    private readonly model: Model,
  ) {
    if (model.kind === 'encoder-only')
      throw new DataError('An encoder-only model scores no continuations: it has no decoder.', {
        code: 'family.encoder-only',
        exitCode: 2,
      });
    this.compute = engine.jit(
      (
        parameters: Parameters,
        fields: BatchTensors,
        sourceRows: tf.Tensor1D | undefined,
        stateRows: tf.Tensor1D,
        tokens: tf.Tensor1D,
      ): Scores => {
        const logitsAt = logitsOf(model, parameters, fields, sourceRows);
        const parts: Scores[] = [];
        // In parts: a batch has thousands of tokens, and a row of logits may have 256,000 numbers.
        for (let at = 0; at < tokens.shape[0]; at += SCORED_TOGETHER) {
          const rows = tf.slice(stateRows, [at], [SCORED_TOGETHER]);
          parts.push(scoresOf(logitsAt(rows), tf.slice(tokens, [at], [SCORED_TOGETHER])));
        }
        return {
          logProbabilities: tf.concat(parts.map((part) => part.logProbabilities)),
          greedy: tf.concat(parts.map((part) => part.greedy)),
        };
      },
      { name: 'scoreContinuations' },
    );
  }

  /** Answers requests batch by batch: the longest first. */
  async *score(
    parameters: Parameters,
    requests: readonly EncodedRequest[],
    limits: BatchLimits,
  ): AsyncGenerator<readonly ScoredRequest[], undefined> {
    for (const batch of batchesOf(this.model, requests, limits)) yield await this.scoreBatch(parameters, batch);
    return undefined;
  }

  private async scoreBatch(parameters: Parameters, batch: ScoreBatch): Promise<ScoredRequest[]> {
    const { owners, stateRows, tokens } = batch;
    const { fields, sourceRows } = this.model.readsSeveralTargets === true ? batch : repeated(batch);
    const uploaded = uploadBatch({ ...fields, sourceRows, stateRows, tokens });
    const { sourceRows: sources, stateRows: states, tokens: ids, ...tensors } = uploaded;
    let scores: Scores | undefined;
    try {
      scores = await this.compute.async(
        parameters,
        tensors,
        sources as tf.Tensor1D | undefined,
        states as tf.Tensor1D,
        ids as tf.Tensor1D,
      );
      const logProbabilities = await scores.logProbabilities.data();
      const greedy = await scores.greedy.data();
      const answers = new Map<number, LikelihoodAnswer>();
      for (const [i, request] of owners.entries()) {
        // Of numbers that are not finite none is the largest, and the first choice would count.
        if (!Number.isFinite(logProbabilities[i]))
          throw new DataError(
            `The model's log-likelihoods are not finite: token ${tokens.values[i]} has ${logProbabilities[i]}.`,
            {
              code: 'task.not-finite',
              hint: 'Its parameters are damaged, or overflow in this precision: evaluate in float32, or another checkpoint.',
            },
          );
        const before = answers.get(request) ?? { logLikelihood: 0, isGreedy: true };
        answers.set(request, {
          logLikelihood: before.logLikelihood + logProbabilities[i],
          isGreedy: before.isGreedy && greedy[i] > 0,
        });
      }
      return [...answers].map(([request, answer]) => ({ request, answer }));
    } finally {
      tf.dispose([uploaded, scores ?? {}] as tf.TensorContainer);
    }
  }

  dispose(): void {
    this.compute.dispose();
  }
}

/** Logits [n, V] of some of the R * T states, whose indices are int32 [n]. */
function logitsOf(
  model: Model,
  parameters: Parameters,
  fields: BatchTensors,
  sourceRows: tf.Tensor1D | undefined,
): (rows: tf.Tensor1D) => tf.Tensor2D {
  const { head } = model;
  const options = sourceRows && { sourceRows };
  if (head) {
    const states = head.rows(parameters, fields, options);
    return (rows) => head.logits(parameters, tf.gather(states, rows));
  }
  const { logits } = model.forward(parameters, fields, options);
  const flat = tf.reshape(logits, [-1, model.vocabularySize]);
  return (rows) => tf.gather(flat, rows) as tf.Tensor2D;
}

/** For logits [n, V] and tokens int32 [n]. */
function scoresOf(logits: tf.Tensor2D, tokens: tf.Tensor1D): Scores {
  const [count, vocabulary] = logits.shape;
  const starts = tf.range(0, count * vocabulary, vocabulary, 'int32');
  const own = tf.gather(tf.reshape(logits, [-1]), tf.add(starts, tokens)) as tf.Tensor1D;
  const largest = tf.max(logits, 1) as tf.Tensor1D;
  return {
    logProbabilities: tf.sub(own, tf.logSumExp(logits, 1)),
    greedy: tf.greaterEqual(own, largest).toFloat() as tf.Tensor1D,
  };
}

/** The same batch for a model that reads the source of row i for target i. */
function repeated({ fields, sourceRows }: ScoreBatch): Pick<ScoreBatch, 'fields' | 'sourceRows'> {
  if (!sourceRows) return { fields };
  const repeat = (name: string): HostFields[string] => {
    const { values, shape, dtype } = fields[name];
    const all = new Int32Array(sourceRows.values.length * shape[1]);
    sourceRows.values.forEach((source, row) =>
      all.set(values.subarray(source * shape[1], (source + 1) * shape[1]), row * shape[1]),
    );
    return { dtype, shape: [sourceRows.values.length, shape[1]], values: all };
  };
  return { fields: { ...fields, input_ids: repeat('input_ids'), attention_mask: repeat('attention_mask') } };
}
