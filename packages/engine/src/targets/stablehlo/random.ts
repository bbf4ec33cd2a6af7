import type { Emitter, Hlo } from './emitter';
import type { Rule, Rules } from './rule';
import { elementCount } from '../../shape';
import { bitsOf, Unsupported } from './types';
import { host } from './rule';

/** Philox 4x32-10 as kernels/philox.ts computes it: ten rounds over four words of a counter, under a key of two. */
const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const;
const WEYL = [0x9e3779b9, 0xbb67ae85] as const;
const ROUNDS = 10;

type Words = readonly [Hlo, Hlo, Hlo, Hlo];

const word = (to: Emitter, x: Hlo, upper = false): Hlo =>
  to.convert(upper ? to.same('shift_right_logical', x, to.fill(x, 32)) : x, 'uint32');

/** Two words as one number of 64 bits. */
function joined(to: Emitter, low: Hlo, high: Hlo): Hlo {
  const [a, b] = [low, high].map((x) => to.convert(x, 'uint64'));
  return to.same('or', a, to.same('shift_left', b, to.fill(b, 32)));
}

/** All of one shape and uint32. */
function philox(to: Emitter, counter: Words, key: readonly [Hlo, Hlo]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  const product = (x: Hlo, by: number): [low: Hlo, high: Hlo] => {
    const wide = to.convert(x, 'uint64');
    const whole = to.same('multiply', wide, to.fill(wide, by));
    return [word(to, whole), word(to, whole, true)];
  };
  const mixed = (a: Hlo, b: Hlo, c: Hlo): Hlo => to.same('xor', to.same('xor', a, b), c);
  for (let round = 0; round < ROUNDS; round++) {
    const [lowA, highA] = product(c0, MULTIPLIERS[0]);
    const [lowB, highB] = product(c2, MULTIPLIERS[1]);
    [c0, c1, c2, c3] = [mixed(highB, c1, k0), lowB, mixed(highA, c3, k1), lowA];
    k0 = to.same('add', k0, to.fill(k0, WEYL[0]));
    k1 = to.same('add', k1, to.fill(k1, WEYL[1]));
  }
  return [c0, c1, c2, c3];
}

/** TensorFlow scrambles a seed through one block under this key. A negative seed keeps its sign, as in its kernels. */
const SEEDING_KEY = [0x3ec8f720, 0x02461e29] as const;

const keyAndCounter: Rule = ({ to, inputs: [seed] }) => {
  const wide = to.op('bitcast_convert', [to.convert(seed, 'int64')], { dtype: 'uint64', shape: [2] });
  const [first, second] = [0, 1].map((at) => to.part(wide, 0, at, 1));
  const counter: Words = [word(to, first), word(to, first, true), word(to, second), word(to, second, true)];
  const type = { dtype: 'uint32', shape: [1] } as const;
  const words = philox(to, counter, [to.fill(type, SEEDING_KEY[0]), to.fill(type, SEEDING_KEY[1])]);
  const upper = joined(to, words[2], words[3]);
  return [joined(to, words[0], words[1]), to.concat([to.fill(upper, 0), upper], 0)];
};

/** Philox's words in order, four a block; two a number of 64 bits. TensorFlow's number for it is 1, 3 its own choice. */
const AUTOMATIC = 3;
const PHILOX = 1;

const fullIntegers: Rule = (call) => {
  const { to, types } = call;
  const [{ dtype, shape }] = types;
  const [, key, counter] = call.inputs;
  const [algorithm] = host(call, 3);
  if (algorithm !== PHILOX && algorithm !== AUTOMATIC) throw new Unsupported("it can only draw by Philox's algorithm.");
  const isWide = bitsOf(dtype) === 64;
  const count = elementCount(shape) * (isWide ? 2 : 1);
  const blocks = Math.ceil(count / 4);
  const type = { dtype: 'uint64', shape: [blocks] } as const;
  const spread = (x: Hlo, at: number): Hlo => to.broadcast(to.reshape(to.part(x, 0, at, 1), []), [blocks], []);
  const start = spread(counter, 0);
  const low = to.same('add', start, to.iota(type, 0));
  const carry = to.convert(to.compare('LT', low, start), 'uint64');
  const high = to.same('add', spread(counter, 1), carry);
  const both = spread(key, 0);
  const words = philox(
    to,
    [word(to, low), word(to, low, true), word(to, high), word(to, high, true)],
    [word(to, both), word(to, both, true)],
  );
  const columns = words.map((x) => to.reshape(x, [blocks, 1]));
  const all = to.part(to.reshape(to.concat(columns, 1), [4 * blocks]), 0, 0, count);
  if (!isWide) return to.reshape(to.op('bitcast_convert', [all], { dtype, shape: [count] }), shape);
  const pairs = to.reshape(all, [count / 2, 2]);
  return to.reshape(to.op('bitcast_convert', [pairs], { dtype, shape: [count / 2] }), shape);
};

/**
 * Draws from logits by the device's own generator, as often as it runs: its numbers are other ones than TensorFlow's,
 * which depend on what it has drawn before.
 */
const multinomial: Rule = ({ to, inputs: [logits], types }) => {
  const [rows, choices] = logits.shape;
  const shape = [rows, types[0].shape[1], choices];
  const wide = to.convert(logits, 'float32');
  const bounds = [to.scalar('float32', 2 ** -24), to.scalar('float32', 1)];
  const sizes = to.constant({ dtype: 'int64', shape: [3] }, new Uint8Array(BigInt64Array.from(shape, BigInt).buffer));
  const uniform = to.op('rng', [...bounds, sizes], { dtype: 'float32', shape }, [
    'rng_distribution = #stablehlo<rng_distribution UNIFORM>',
  ]);
  const inner = to.same('negate', to.same('log', uniform));
  const scores = to.same('subtract', to.broadcast(wide, shape, [0, 2]), to.same('log', inner));
  const best = to.broadcast(to.reduce(scores, [2], 'maximum'), shape, [0, 1]);
  const places = to.iota({ dtype: types[0].dtype, shape }, 2);
  const others = to.fill(places, choices - 1);
  return to.reduce(to.select(to.compare('EQ', scores, best), places, others), [2], 'minimum');
};

/** Random numbers: from a key, or, stateful, from the run. */
export const random: Rules = {
  StatelessRandomGetKeyCounter: keyAndCounter,
  StatelessRandomUniformFullIntV2: fullIntegers,
  Multinomial: multinomial,
};
