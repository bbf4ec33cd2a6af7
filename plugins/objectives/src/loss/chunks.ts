/** Shapes: N tokens, C tokens of a chunk, D width of a final state, V vocabulary. */
import type { OutputHead, Parameters } from '@graft/core';
import { innerGradients, orderAfter, tf, withGradient, withoutGradient } from '@graft/engine';

/**
 * Loss and metrics from logits [C, V] of tokens `from` to `from + C - 1`. `behind`: tensors to compute before any other
 * input of the loss.
 */
export type ChunkLoss = (
  logits: tf.Tensor2D,
  from: number,
  behind: readonly tf.Tensor[],
) => { readonly loss: tf.Scalar; readonly metrics: readonly tf.Scalar[] };

/**
 * The sum of `lossOf` over chunks of tokens, so that only one chunk's logits are in memory: for 2,048 tokens and a
 * vocabulary of 256,000, all logits take 2 GB, and a step needs three tensors of this size. The forward pass also
 * computes each chunk's gradient, so that the backward pass need not read the output table again. `rows` are final
 * states [N, D], `head` is the model's output layer. The sums of `metrics` have no gradient.
 */
export function sumOverChunks(
  head: OutputHead,
  parameters: Parameters,
  rows: tf.Tensor,
  { chunkTokens, training }: { readonly chunkTokens: number; readonly training: boolean },
  lossOf: ChunkLoss,
): { loss: tf.Scalar; metrics: tf.Scalar[] } {
  const total = rows.shape[0]!;
  const tables = head.parameters.map((name) => parameters[name]);
  const sums = withGradient<tf.Tensor[]>((save, x, ...own) => {
    let sum: tf.Tensor = tf.scalar(0);
    let metricSums: readonly tf.Tensor[] | undefined;
    let ownSums: tf.Tensor[] | undefined;
    const rowGradients: tf.Tensor[] = [];
    for (let from = 0; from < total; from += chunkTokens) {
      const size = Math.min(chunkTokens, total - from);
      // Waits for the previous chunk, so that two chunks are never in memory together.
      const behind = from === 0 ? [] : [sum, ...(ownSums ?? []), ...rowGradients.slice(-1)];
      const all = from === 0 ? x : orderAfter(x, behind);
      const chunk = tf.slice(all, [from, 0], [size, -1]); // [C, D]
      const lossOfChunk = (xs: tf.Tensor, ws: readonly tf.Tensor[]): ReturnType<ChunkLoss> => {
        const named = Object.fromEntries(head.parameters.map((name, i) => [name, ws[i]]));
        return lossOf(head.logits({ ...parameters, ...named }, xs), from, behind);
      };
      let metrics: readonly tf.Tensor[];
      if (training) {
        const inner = innerGradients(
          (xs, ...ws) => {
            const { loss, metrics: auxiliary } = lossOfChunk(xs, ws);
            return { loss, auxiliary: [...auxiliary] };
          },
          [chunk, ...own],
        );
        const [rowGradient, ...ownGradients] = inner.gradients;
        sum = tf.add(sum, inner.value);
        ownSums = ownSums ? ownSums.map((before, i) => tf.add(before, ownGradients[i])) : ownGradients;
        rowGradients.push(rowGradient);
        metrics = inner.auxiliary;
      } else {
        const plain = lossOfChunk(chunk, own);
        sum = tf.add(sum, plain.loss);
        metrics = plain.metrics;
      }
      metricSums = metricSums ? metricSums.map((before, i) => tf.add(before, metrics[i])) : metrics;
    }
    if (training) save([tf.concat(rowGradients), ...ownSums!]);
    return {
      // A function with a gradient has one value: with metrics it is a stack, whose first entry is the loss.
      value: metricSums?.length ? tf.stack([sum, ...metricSums]) : sum,
      gradients: (dy, saved) => {
        const ofLoss = dy.rank === 0 ? dy : tf.slice(dy, 0, 1).asScalar();
        return saved.map((gradient) => tf.mul(gradient, ofLoss));
      },
    };
  })(rows, ...tables);
  if (sums.rank === 0) return { loss: sums as tf.Scalar, metrics: [] };
  const at = (i: number): tf.Scalar => tf.slice(sums, i, 1).asScalar();
  const metrics = withoutGradient(() => Array.from({ length: sums.size - 1 }, (_, i) => at(i + 1)));
  return { loss: at(0), metrics };
}
