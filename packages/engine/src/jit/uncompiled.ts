/**
 * Functions of `jit` that run directly: on the engines `portable` and `eager`, and under a gradient. Their tensors have
 * values; those of compiled functions have none while tracing, so reading them is an error here too.
 */
import { valueInTrace } from '../value-in-trace';
import { nextTensorId } from '../tape';
import { tf } from '../tf';

interface Running {
  readonly name: string;
  /** Tensors with ids from here on are created inside. */
  readonly firstId: number;
  readonly given: ReadonlySet<object>;
  /** Ids of tensors created inside from host values, which have values in a compiled function too. */
  readonly known: Set<number>;
}

let running: Running | undefined;

/** Calls `fn` as the body of jit `name`, which was given those tensors. */
export function uncompiled<T>(name: string, given: readonly tf.Tensor[], fn: () => T): T {
  // A nested function is part of the outer one.
  if (running) return fn();
  watchValues();
  const dataIds = given.map(({ dataId }) => dataId);
  running = { name, firstId: nextTensorId(), given: new Set(dataIds), known: new Set() };
  try {
    return fn();
  } finally {
    running = undefined;
  }
}

/**
 * Throws EngineError if a compiled function would know the tensor's value only at run time. Tensors from before the
 * call may be read.
 */
function refuseInside({ id, dataId }: tf.Tensor): void {
  if (!running) return;
  const made = id >= running.firstId && !running.known.has(id);
  if (made || running.given.has(dataId))
    throw valueInTrace('dataSync(), data(), array() or print() read', running.name);
}

let watching = false;

/** All reads of a tensor's values in tfjs go through these methods; its kernels read in another way. */
function watchValues(): void {
  if (watching) return;
  watching = true;
  const engine = tf.engine();
  const makeTensor = engine.makeTensor.bind(engine);
  engine.makeTensor = (...given) => {
    const tensor = makeTensor(...given);
    running?.known.add(tensor.id);
    return tensor;
  };
  watch('dataSync', (read, tensor) => {
    refuseInside(tensor);
    return read();
  });
  for (const name of ['data', 'bytes'] as const) {
    watch(name, async (read, tensor) => {
      refuseInside(tensor);
      return read();
    });
  }
}

function watch(name: 'dataSync' | 'data' | 'bytes', how: (read: () => unknown, tensor: tf.Tensor) => unknown): void {
  const own = Reflect.get(tf.Tensor.prototype, name) as (this: tf.Tensor) => unknown;
  Reflect.set(tf.Tensor.prototype, name, function (this: tf.Tensor): unknown {
    return how(() => own.call(this), this);
  });
}
