/**
 * Functions of `jit` that run as they are called: on the engines `portable` and `eager`, and under a gradient. Their tensors have
 * values all the while; compiled ones have none, so that reading them is an error here too.
 */
import { valueInTrace } from '../errors';
import { nextTensorId } from '../tape';
import { tf } from '../tf';

interface Running {
  readonly name: string;
  /** Tensors from here on are made inside. */
  readonly firstId: number;
  readonly given: ReadonlySet<object>;
  /** Numbers of those that were made inside of values of the host: they have values in a compiled function too. */
  readonly known: Set<number>;
}

let running: Running | undefined;

/** Calls `fn` as the body of jit `name`, which was given those tensors. */
export function uncompiled<T>(name: string, given: readonly tf.Tensor[], fn: () => T): T {
  // A function inside another is a part of it.
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

/** Throws EngineError where the tensor stands for a value that only the run would know. What was there before may be read. */
function refuseInside({ id, dataId }: tf.Tensor): void {
  if (!running) return;
  const made = id >= running.firstId && !running.known.has(id);
  if (made || running.given.has(dataId))
    throw valueInTrace('dataSync(), data(), array() or print() read', running.name);
}

let watching = false;

/** tfjs's ways from and to a tensor's values all lead through these; its kernels read otherwise. */
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
