/** Shapes: B rows of a batch, T labels of a row, N = B T labels, C labels of a group, V vocabulary, K samples. */
import { orderAfter, random, tf } from '@graft/engine';
import type { TopK } from '../loss/top-k-divergence';

/** Stands for the log-probability of 0: finite, but its exponential is negligible. */
export const NO_PROBABILITY = -80;

/** Number of labels whose logits are in memory together: matrix products with fewer rows are slow. */
export const BLOCK_LABELS = 128;

/** Gumbel noise [labels, V] for labels from..from+labels-1 of the row (or sequence) with this key. */
export const noiseOf = (
  key: tf.Tensor1D,
  from: number | tf.Scalar,
  [labels, vocabulary]: readonly [number, number],
): tf.Tensor => random.gumbel(random.atRow(key, from), [labels, vocabulary]);

/**
 * Draws K tokens from each row of logits [C, V] by their probability, without replacement: the K largest sums of logits
 * and Gumbel noise [C, V]. The log-probabilities are normalized over the K drawn tokens.
 */
export function sampleTokens(
  logits: tf.Tensor2D,
  noise: tf.Tensor,
  samples: number,
): Pick<TopK, 'tokens' | 'logProbabilities'> {
  const [rows, vocabulary] = logits.shape;
  const k = Math.min(samples, vocabulary);
  const tokens = tf.topk(tf.add(logits, noise), k).indices.toInt() as tf.Tensor2D; // [C, K]
  const row = tf.range(0, rows, 1, 'int32').expandDims(1).tile([1, k]).reshape([-1]);
  const indices = tf.stack([row, tokens.reshape([-1])], 1) as tf.Tensor2D; // [C K, 2]
  const values = tf.gatherND(logits, indices).reshape([rows, k]); // [C, K]
  return { tokens, logProbabilities: tf.logSoftmax(values) as tf.Tensor2D };
}

/**
 * A teacher's distribution for each label, estimated by K sampled tokens; all others get probability 0 (Gemma 3's
 * report: "set to zero probability for non-sampled logits, and renormalized"). `states` [N, D]: input of `logitsOf`,
 * which computes the logits of some rows at a time. `keys` int32 [B, 2], one per row of the batch: the draws for a
 * label depend only on its row's key and its index in the row.
 */
export function sampledTargets(
  states: tf.Tensor2D,
  logitsOf: (states: tf.Tensor2D) => tf.Tensor2D,
  keys: tf.Tensor2D,
  samples: number,
): TopK {
  const batch = keys.shape[0];
  const length = states.shape[0] / batch;
  const drawn: Pick<TopK, 'tokens' | 'logProbabilities'>[] = [];
  for (const blocks of groupsOf(batch, length)) {
    const { from } = blocks[0];
    const size = blocks.reduce((sum, block) => sum + block.size, 0);
    const last = drawn.at(-1);
    // In sequence, so that only one group's logits are in memory at a time.
    const all = last ? orderAfter(states, [last.logProbabilities]) : states;
    const logits = logitsOf(tf.slice(all, [from, 0], [size, -1]) as tf.Tensor2D); // [C, V]
    const noise = blocks.map(({ row, at, size: labels }) => {
      const key = tf.slice(keys, [row, 0], [1, 2]).reshape([2]) as tf.Tensor1D;
      return noiseOf(key, at, [labels, logits.shape[1]]);
    });
    drawn.push(sampleTokens(logits, noise.length === 1 ? noise[0] : tf.concat(noise), samples));
  }
  const join = <T extends tf.Tensor>(parts: readonly T[]): T => (parts.length === 1 ? parts[0] : tf.concat([...parts]));
  return {
    tokens: join(drawn.map(({ tokens }) => tokens)),
    logProbabilities: join(drawn.map(({ logProbabilities }) => logProbabilities)),
    logRest: tf.fill([states.shape[0]], NO_PROBABILITY) as tf.Tensor1D,
  };
}

interface Block {
  readonly row: number;
  /** Index of the first label in its row; `from`: its index among all labels. */
  readonly at: number;
  readonly from: number;
  readonly size: number;
}

/** Splits every row into blocks, in groups of at least BLOCK_LABELS labels (the last group may be smaller). */
function groupsOf(batch: number, length: number): Block[][] {
  const groups: Block[][] = [];
  let labelsLeft = 0;
  for (let row = 0; row < batch; row++) {
    for (let at = 0; at < length; at += BLOCK_LABELS) {
      const size = Math.min(BLOCK_LABELS, length - at);
      const block = { row, at, from: row * length + at, size };
      if (labelsLeft <= 0) {
        groups.push([]);
        labelsLeft = BLOCK_LABELS;
      }
      groups.at(-1)!.push(block);
      labelsLeft -= size;
    }
  }
  return groups;
}
