/** Shapes: B pairs of answers. */
import { tf } from '@graft/engine';

/** The forms of the loss. */
export const PREFERENCE_LOSSES = ['sigmoid', 'robust', 'hinge', 'ipo'] as const;

/** What the loss of a pair is computed with. */
export interface PreferenceLossSettings {
  readonly loss: (typeof PREFERENCE_LOSSES)[number];
  /** What log-ratios are multiplied by to be rewards; of `ipo` the regularization. */
  readonly beta: number;
  /** Share of the pairs whose answers are taken to be in the wrong order, in [0, 0.5). Of `sigmoid` and `robust`. */
  readonly labelSmoothing: number;
  /** How much larger the chosen answer's reward is to be: SimPO's gamma. Of `sigmoid`. */
  readonly margin: number;
}

/**
 * The loss [B] of pairs by the difference [B] of their log-ratios, chosen minus rejected. With d the difference, z = beta
 * d - margin and s the logistic function:
 *
 *     sigmoid   -(1 - e) ln s(z) - e ln s(-z)                  DPO (2305.18290, equation 7); e > 0: cDPO
 *     robust    (-(1 - e) ln s(z) + e ln s(-z)) / (1 - 2 e)    2403.00409: unbiased where a share e is mislabelled
 *     hinge     max(0, 1 - z)                                  SLiC (2305.10425), as RSO (2309.06657) has it
 *     ipo       (d - 1 / (2 beta))^2                           IPO (2310.12036, equation 17)
 *
 * Traceable.
 */
export function preferenceLosses(
  difference: tf.Tensor1D,
  { loss, beta, labelSmoothing, margin }: PreferenceLossSettings,
): tf.Tensor1D {
  if (loss === 'ipo') return tf.square(tf.sub(difference, 1 / (2 * beta)));
  const scaled = tf.mul<tf.Tensor1D>(difference, beta);
  const z = margin === 0 ? scaled : tf.sub<tf.Tensor1D>(scaled, margin);
  if (loss === 'hinge') return tf.relu(tf.sub(1, z));
  const kept = tf.softplus<tf.Tensor1D>(tf.neg(z)); // -ln s(z)
  if (labelSmoothing === 0) return kept;
  const flipped = tf.mul(tf.softplus(z), labelSmoothing);
  const ofKept = tf.mul(kept, 1 - labelSmoothing);
  return loss === 'sigmoid' ? tf.add(ofKept, flipped) : tf.div(tf.sub(ofKept, flipped), 1 - 2 * labelSmoothing);
}
