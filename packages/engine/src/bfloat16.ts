import { EngineError } from '@graft/errors';
import type { GraftBackend } from './trace/backend';
import { TF } from './native/dtypes';
import { dtypeAttribute, flag, type OpAttribute } from './native/attributes';
import { tf } from './tf';

/**
 * bfloat16 in memory. tfjs has no such dtype, so two numbers share one int32: a tensor [..., n] is stored as int32
 * [..., n / 2], half the bytes of float32. Under the precision `bfloat16` a matrix product reads an unpacked operand
 * directly as the packed bfloat16 numbers; no float32 copy is made.
 */

const CAST_OPTIONS = flag('Truncate', false);

function nativeBackend(what: string): GraftBackend {
  const backend = tf.backend() as unknown as GraftBackend;
  if (['tensorflow', 'pjrt'].includes(tf.getBackend())) return backend;
  throw new EngineError(`${what} needs the native engine; the portable one has no bfloat16.`, {
    code: 'engine.bfloat16',
    hint: 'Install it with `graft engine install`, or keep the weights in float32.',
  });
}

/** Applies operations one after the other to a tensor and frees the intermediate results. */
function chain(
  backend: GraftBackend,
  from: tf.Tensor,
  steps: readonly { op: string; attributes: OpAttribute[]; shape?: number[] }[],
): tf.Tensor {
  const binding = backend.binding;
  let last = { id: backend.ids([from])[0], dtype: 0, shape: from.shape };
  steps.forEach(({ op, attributes, shape }, i) => {
    const sizes = shape && binding.createTensor([shape.length], TF.INT32, shape);
    const inputs = sizes === undefined ? [last.id] : [last.id, sizes];
    const [next] = binding.executeOp(op, attributes, inputs, 1);
    if (i > 0) binding.deleteTensor(last.id);
    if (sizes !== undefined) binding.deleteTensor(sizes);
    last = next;
  });
  return backend.wrap(last);
}

/** float32 [..., n], n even, rounded to bfloat16 and packed: int32 [..., n / 2]. The caller disposes both. */
export function packBfloat16(values: tf.Tensor): tf.Tensor {
  const width = values.shape[values.rank - 1] ?? 1;
  if (values.dtype !== 'float32' || width % 2 !== 0) {
    throw new EngineError(
      `packBfloat16 takes float32 with an even last dimension, but got ${values.dtype} [${values.shape.join(', ')}].`,
      { code: 'engine.bfloat16' },
    );
  }
  return chain(nativeBackend('packBfloat16'), values, [
    { op: 'Cast', attributes: [dtypeAttribute('SrcT', TF.FLOAT), dtypeAttribute('DstT', TF.BFLOAT16), CAST_OPTIONS] },
    {
      op: 'Reshape',
      attributes: [dtypeAttribute('T', TF.BFLOAT16), dtypeAttribute('Tshape', TF.INT32)],
      shape: [...values.shape.slice(0, -1), width / 2, 2],
    },
    { op: 'Bitcast', attributes: [dtypeAttribute('T', TF.BFLOAT16), dtypeAttribute('type', TF.INT32)] },
  ]);
}

/** The float32 numbers [..., n] of a packed tensor, int32 [..., n / 2]. */
export function unpackBfloat16(packed: tf.Tensor): tf.Tensor {
  if (packed.dtype !== 'int32' || packed.rank === 0) {
    throw new EngineError(
      `unpackBfloat16 takes what packBfloat16 gives, int32 [..., n / 2], but got ${packed.dtype} [${packed.shape.join(', ')}].`,
      { code: 'engine.bfloat16' },
    );
  }
  const shape = [...packed.shape.slice(0, -1), 2 * packed.shape[packed.rank - 1]];
  return chain(nativeBackend('unpackBfloat16'), packed, [
    { op: 'Bitcast', attributes: [dtypeAttribute('T', TF.INT32), dtypeAttribute('type', TF.BFLOAT16)] },
    { op: 'Reshape', attributes: [dtypeAttribute('T', TF.BFLOAT16), dtypeAttribute('Tshape', TF.INT32)], shape },
    { op: 'Cast', attributes: [dtypeAttribute('SrcT', TF.BFLOAT16), dtypeAttribute('DstT', TF.FLOAT), CAST_OPTIONS] },
  ]);
}
