import { EngineError, tf, treeLeaves } from '@graft/engine';

/** What a function did, as text: operations with their inputs, and the tensors from outside that it used. */
interface Recording {
  readonly name: string;
  /** Tensors with smaller ids were there before. */
  readonly firstId: number;
  readonly steps: string[];
  /** How inputs of later operations are written, by tensor. */
  readonly labels: Map<number, string>;
  readonly captures: number[];
  /** Tensors that were made inside. */
  readonly made: tf.Tensor[];
}

let recording: Recording | undefined;

/** Kernels of tfjs whose result has a shape that depends on values. */
const DYNAMIC = /^(Where|Unique|NonMaxSuppression|SparseFillEmptyRows|SparseReshape|StringNGrams|StringSplit)/;

/** `fn` as the body of a `jit` that refuses effects; see `openStrictEngine`. */
export function recorded<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  name: string,
  donates: readonly string[],
): (...args: A) => R {
  const known = new Map<string, Recording>();
  return (...args) => {
    // Inside another compiled function, this one is part of it.
    if (recording) return fn(...args);
    watchEngine();
    refuseDonatedTwice(args[0], donates, name);
    const key = signature(args);
    if (!known.has(key)) known.set(key, record(name, args, fn).what);
    const { what, result } = record(name, args, fn);
    compare(known.get(key)!, what);
    return result;
  };
}

function record<A extends readonly unknown[], R>(
  name: string,
  args: A,
  fn: (...args: A) => R,
): { what: Recording; result: R } {
  const leaves = treeLeaves(args);
  const what: Recording = {
    name,
    firstId: (tf.engine() as unknown as { nextTensorId(): number }).nextTensorId(),
    steps: [],
    labels: new Map(leaves.map((leaf, i) => [leaf.id, `argument ${i}`])),
    captures: [],
    made: [],
  };
  const variables = Object.keys(tf.engine().registeredVariables).length;
  recording = what;
  let result: R;
  try {
    result = fn(...args);
  } finally {
    recording = undefined;
  }
  if (Object.keys(tf.engine().registeredVariables).length > variables) throw assigned('A variable is created', name);
  if (leaves.some((leaf) => leaf.isDisposed)) throw effect('disposes a tensor that it was given', name);
  const { gradientDepth } = (tf.engine() as unknown as { state: { gradientDepth: number } }).state;
  // A gradient around the call keeps what its backward pass needs.
  const kept = gradientDepth === 0 && what.made.some((tensor) => tensor.kept && !tensor.isDisposed);
  what.made.length = 0;
  if (kept) throw effect('keeps a tensor (tf.keep)', name);
  return { what, result };
}

function compare(first: Recording, now: Recording): void {
  const { name } = now;
  const length = Math.max(first.steps.length, now.steps.length);
  for (let i = 0; i < length; i++) {
    if (first.steps[i] === now.steps[i]) continue;
    throw impure(
      `does "${now.steps[i] ?? 'nothing'}" where an earlier call with the same shapes did "${first.steps[i] ?? 'nothing'}"`,
      name,
    );
  }
  if (first.captures.some((id, i) => id !== now.captures[i]))
    throw impure('uses another tensor from outside than an earlier call with the same shapes', name);
}

function refuseDonatedTwice(first: unknown, donates: readonly string[], name: string): void {
  const leaves = donates.flatMap((member) => treeLeaves((first as Record<string, unknown> | undefined)?.[member]));
  if (new Set(leaves).size === leaves.length) return;
  throw new EngineError(`jit "${name}" got one tensor twice among the arguments that it donates.`, {
    code: 'engine.consumed-twice',
    hint: 'Give it a clone of the tensor at one of the two places.',
  });
}

/** Equal only for arguments of equal structure, shapes, dtypes and static values. */
function signature(args: readonly unknown[]): string {
  return JSON.stringify(args, (_, value: unknown) => {
    if (value instanceof tf.Tensor) return { tensor: `${value.dtype}[${value.shape.join()}]` };
    if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)))
      return { number: Object.is(value, -0) ? '-0' : String(value) };
    return value === undefined ? { undefined: true } : value;
  });
}

function effect(what: string, name: string): EngineError {
  return new EngineError(`The function of jit "${name}" ${what}, but it must have no effects.`, {
    code: 'testing.effect-in-jit',
    hint: 'Return the tensor as a part of the result instead.',
  });
}

function impure(what: string, name: string): EngineError {
  return new EngineError(`The function of jit "${name}" ${what}; a compiled one repeats what it did first.`, {
    code: 'testing.impure-jit',
    hint: 'Pass what changes as an argument: tensors, numbers, texts or booleans; random numbers come from a key.',
  });
}

function assigned(what: string, name: string): EngineError {
  return new EngineError(`${what} inside jit "${name}", which must have no effects.`, {
    code: 'engine.assignment-in-trace',
    hint: 'Return the new value and assign it outside.',
  });
}

function labelOf({ labels, captures, firstId }: Recording, tensor: tf.Tensor): string {
  const label = labels.get(tensor.id);
  if (label !== undefined) return label;
  // tfjs makes some tensors of gradients in ways of its own.
  if (tensor.id >= firstId) return 'inner';
  captures.push(tensor.id);
  const captured = `outer ${captures.length}`;
  labels.set(tensor.id, captured);
  return captured;
}

function addMade({ labels, made, steps }: Recording, tensors: readonly tf.Tensor[]): void {
  tensors.forEach((tensor, i) => {
    made.push(tensor);
    if (!labels.has(tensor.id)) labels.set(tensor.id, `result ${steps.length}.${i}`);
  });
}

let watching = false;

/** Everything that tfjs computes or uploads goes through these methods. */
function watchEngine(): void {
  if (watching) return;
  watching = true;
  const engine = tf.engine();
  const runKernel = engine.runKernel.bind(engine);
  engine.runKernel = ((kernel: string, inputs: Record<string, unknown>, attributes?: object) => {
    const now = recording;
    if (!now) return runKernel(kernel, inputs as never, attributes as never);
    if (DYNAMIC.test(kernel)) {
      throw new EngineError(
        `${kernel} inside jit "${now.name}": the shape of its result depends on values that only the run knows.`,
        { code: 'engine.dynamic-shape', hint: 'Compute this part outside the compiled function.' },
      );
    }
    const from = treeLeaves(inputs).map((tensor) => labelOf(now, tensor));
    const given = JSON.stringify(attributes ?? {});
    now.steps.push(`${kernel} of ${from.join(', ') || 'nothing'}${given === '{}' ? '' : ` with ${given}`}`);
    const result = runKernel<tf.Tensor | tf.Tensor[]>(kernel, inputs as never, attributes as never);
    addMade(now, [result].flat());
    return result;
  }) as typeof engine.runKernel;
  const makeTensor = engine.makeTensor.bind(engine);
  engine.makeTensor = (...given) => {
    const tensor = makeTensor(...given);
    const [values, shape, dtype] = given;
    if (recording) {
      recording.steps.push(`constant ${dtype ?? 'float32'} [${shape.join(', ')}] ${shownValues(values)}`);
      addMade(recording, [tensor]);
    }
    return tensor;
  };
  const prototype = tf.Variable.prototype as { assign: (this: tf.Variable, value: tf.Tensor) => void };
  const { assign } = prototype;
  prototype.assign = function (value): void {
    if (recording) throw assigned(`The variable "${this.name}" is assigned`, recording.name);
    assign.call(this, value);
  };
}

/** The values of a constant, or of a long one its first values and a checksum. */
function shownValues(values: unknown): string {
  const list = Array.from((values ?? []) as ArrayLike<number>);
  if (list.length <= 8) return list.join(' ');
  const bits = new Uint32Array(Float32Array.from(list).buffer);
  const sum = bits.reduce((state, word) => Math.imul(state ^ word, 0x01000193), 0x811c9dc5);
  return `${list.slice(0, 8).join(' ')} … #${sum >>> 0}`;
}
