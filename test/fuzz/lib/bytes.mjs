/** Mutations of bytes, whatever they mean. Each returns new bytes. */

/** Numbers around which readers' arithmetic goes wrong. */
export const INTERESTING = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  16n,
  31n,
  32n,
  63n,
  64n,
  100n,
  127n,
  128n,
  255n,
  256n,
  1000n,
  1023n,
  1024n,
  4095n,
  4096n,
  65535n,
  65536n,
  2n ** 20n,
  100_000_000n,
  2n ** 24n,
  2n ** 28n,
  2n ** 30n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

export function varint(value) {
  const bytes = [];
  for (let left = BigInt.asUintN(64, BigInt(value)); ; left >>= 7n) {
    if (left < 128n) return Buffer.from([...bytes, Number(left)]);
    bytes.push(Number(left & 127n) | 128);
  }
}

/** `from`, `to`: a stretch of up to `longest` bytes. */
function stretch(bytes, random, longest) {
  const from = random.below(bytes.length + 1);
  const length = Math.min(bytes.length - from, 1 + random.below(Math.max(1, random.pick([1, 4, 16, longest]))));
  return [from, from + length];
}

const splice = (bytes, from, to, between = Buffer.alloc(0)) =>
  Buffer.concat([bytes.subarray(0, from), between, bytes.subarray(to)]);

const MUTATIONS = {
  flipBits(bytes, random) {
    const changed = Buffer.from(bytes);
    for (let times = random.pick([1, 1, 1, 2, 5]); times > 0; times--)
      changed[random.below(bytes.length)] ^= 1 << random.below(8);
    return changed;
  },
  replaceByte(bytes, random) {
    const changed = Buffer.from(bytes);
    changed[random.below(bytes.length)] = random.pick([0, 1, 0x20, 0x22, 0x5b, 0x7f, 0x80, 0xff, random.below(256)]);
    return changed;
  },
  integer(bytes, random) {
    const value = random.pick(INTERESTING);
    const width = random.pick([1, 2, 4, 8]);
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(random.chance(0.2) ? BigInt.asUintN(64, -value) : value);
    const raw = random.chance(0.3) ? varint(value) : number.subarray(0, width);
    const at = random.below(bytes.length);
    const big = random.chance(0.2) ? Buffer.from(raw).reverse() : raw;
    return splice(bytes, at, Math.min(bytes.length, at + (random.chance(0.3) ? 0 : raw.length)), big);
  },
  zeroPage(bytes, random) {
    const page = random.pick([8, 64, 512, 4096]);
    const at = Math.floor(random.below(bytes.length) / page) * page;
    const changed = Buffer.from(bytes);
    changed.fill(random.pick([0, 0, 0xff]), at, Math.min(bytes.length, at + page));
    return changed;
  },
  truncate: (bytes, random) =>
    bytes.subarray(
      0,
      random.chance(0.3) ? Math.max(0, bytes.length - 1 - random.below(16)) : random.below(bytes.length),
    ),
  remove: (bytes, random) => splice(bytes, ...stretch(bytes, random, bytes.length >> 2)),
  duplicate(bytes, random) {
    const [from, to] = stretch(bytes, random, bytes.length >> 1);
    const piece = bytes.subarray(from, to);
    return splice(bytes, to, to, Buffer.concat(Array.from({ length: random.pick([1, 1, 2, 30]) }, () => piece)));
  },
  move(bytes, random) {
    const [from, to] = stretch(bytes, random, bytes.length >> 2);
    const rest = splice(bytes, from, to);
    const at = random.below(rest.length + 1);
    return splice(rest, at, at, bytes.subarray(from, to));
  },
  insert: (bytes, random) => {
    const at = random.below(bytes.length + 1);
    return splice(bytes, at, at, Buffer.from(Array.from({ length: 1 + random.below(8) }, () => random.below(256))));
  },
  append: (bytes, random) =>
    Buffer.concat([
      bytes,
      random.pick([Buffer.alloc(1 + random.below(600)), bytes, Buffer.from('\n'), Buffer.from([random.below(256)])]),
    ]),
};

export function mutateBytes(bytes, random) {
  if (bytes.length === 0) return Buffer.from([random.below(256)]);
  return MUTATIONS[random.pick(Object.keys(MUTATIONS))](bytes, random);
}

/** Signs that texts' readers look at, pairs of surrogates broken, and what is not UTF-8. */
const SNIPPETS = [
  '\n',
  '\r\n',
  '\n\n',
  '\0',
  '\ufeff',
  ' ',
  '\t',
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '\u2028',
  '\u0130',
  '\u0301',
  '\ud83d\ude00',
  '<eos>',
  '<bos>',
  '<start_of_turn>',
  '<end_of_turn>',
  '\u2581',
  'a'.repeat(5000),
  '\\u0000',
  '\\ud800',
]
  .map((text) => Buffer.from(text))
  .concat([Buffer.from([0xff]), Buffer.from([0xc0, 0x80]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xf0, 0x9f])]);

export function mutateText(bytes, random) {
  if (random.chance(0.4)) return mutateBytes(bytes, random);
  const at = random.below(bytes.length + 1);
  return splice(
    bytes,
    at,
    random.chance(0.5) ? at : Math.min(bytes.length, at + 1 + random.below(4)),
    random.pick(SNIPPETS),
  );
}
