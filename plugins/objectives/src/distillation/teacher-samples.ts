/** Shapes: B rows of a batch, T labels of a row, N = B T labels, C of them at a time, V vocabulary, K samples. */
import { orderAfter, random, tf } from '@graft/engine';
import type { TopK } from '../loss/top-k-divergence';

/** A log-probability that is none: nothing is nothing, and no infinity. */
export const NO_PROBABILITY = -80;

/** Labels whose logits are in memory together: products of fewer rows are slow. */
export const BLOCK_LABELS = 128;

/** Gumbel noise [labels, V] of labels from..from+labels-1 of the row, or the sequence, of that key. */
export const noiseOf = (
  key: tf.Tensor1D,
  from: number | tf.Scalar,
  [labels, vocabulary]: readonly [number, number],
): tf.Tensor => random.gumbel(random.atRow(key, from), [labels, vocabulary]);

/**
 * K tokens of each row of logits [C, V], drawn by their probability without replacement: the K largest of logits plus Gumbel
 * noise [C, V]. The log-probabilities are the logits', less a number that each row has in common.
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
 * What a teacher says of each label by K sampled tokens, the rest being nothing (Gemma 3's report: "set to zero probability for
 * non-sampled logits, and renormalized"). `states` [N, D]: what `logitsOf` makes logits of, some rows at a time. `keys` int32
 * [B, 2], one a row of the batch: what is drawn for a label depends on its row's key and its place in the row alone.
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
    // One behind the other, so that the logits of one group are in memory at a time.
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
  /** Its first label in the row, and among all. */
  readonly at: number;
  readonly from: number;
  readonly size: number;
}

/** The blocks of every row, in groups of BLOCK_LABELS labels or more. */
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
