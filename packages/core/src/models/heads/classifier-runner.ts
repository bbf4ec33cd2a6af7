/** Shapes: B texts, T tokens, C classes. */
import { tf, type Engine, type Jitted } from '@graft/engine';
import { uploadBatch } from '../../data/loader';
import type { BatchTensors, Classifier, HostArray, HostFields, Parameters } from '../../interfaces';
import { checkIdsAndMask } from './host-fields';

/** Scores and probabilities of a batch's classes. */
export interface Classification {
  /** float32 [B, C], or [B, T, C] of a token classifier. */
  readonly logits: HostArray;
  /** The same shape; the sum over classes is 1. */
  readonly probabilities: HostArray;
}

/** Runs a classifier; compiled once per shape. */
export class ClassifierRunner {
  private readonly compute: Jitted<[Parameters, BatchTensors], { logits: tf.Tensor; probabilities: tf.Tensor }>;

  constructor(
    engine: Engine,
    private readonly classifier: Classifier,
  ) {
    this.compute = engine.jit(
      (parameters: Parameters, batch: BatchTensors) => {
        const logits = classifier.logits(parameters, batch);
        return { logits, probabilities: tf.softmax(logits) };
      },
      { name: 'classify' },
    );
  }

  /**
   * Classifies `input_ids` with `attention_mask` (default: all ones), int32 [B, T]. Throws DataError for invalid
   * fields. A token classifier's probabilities at padding are meaningless.
   */
  async classify(parameters: Parameters, fields: HostFields): Promise<Classification> {
    checkIdsAndMask(fields, 'input_ids', 'attention_mask', this.classifier, 'The inputs of classify');
    const { input_ids: ids } = fields;
    const mask = fields.attention_mask ?? { ...ids, values: new Int32Array(ids.values.length).fill(1) };
    const batch = uploadBatch({ input_ids: ids, attention_mask: mask });
    let result: { logits: tf.Tensor; probabilities: tf.Tensor } | undefined;
    try {
      result = await this.compute.async(parameters, batch);
      return { logits: await toHost(result.logits), probabilities: await toHost(result.probabilities) };
    } finally {
      tf.dispose([batch, result ?? {}] as tf.TensorContainer);
    }
  }

  dispose(): void {
    this.compute.dispose();
  }
}

const toHost = async (tensor: tf.Tensor): Promise<HostArray> => ({
  dtype: 'float32',
  shape: tensor.shape,
  values: (await tensor.data()) as Float32Array,
});
