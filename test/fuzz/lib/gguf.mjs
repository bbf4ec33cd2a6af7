/** GGUF files, walked by a reading of their own: for mutating their fields, and for telling whether they are whole. */
import { mutateBytes } from './bytes.mjs';

const SIZES = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
/** Values and bytes of a block by type. */
const BLOCKS = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  10: [256, 84],
  11: [256, 110],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  30: [1, 2],
};

class Cut extends Error {}

/** The fields of a header ({ at, size } for numbers, { at, length } for texts), and what contradicts the format. */
export function walkGguf(bytes) {
  const fields = [];
  const tensors = [];
  let at = 0;
  let alignment = 32n;
  const need = (count) => {
    if (BigInt(at) + BigInt(count) > BigInt(bytes.length)) throw new Cut('it is cut off');
  };
  const number = (size) => {
    need(size);
    fields.push({ at, size });
    at += size;
    const view = Buffer.from(bytes.buffer, bytes.byteOffset + at - size, size);
    return size === 8 ? view.readBigUInt64LE(0) : BigInt(view.readUIntLE(0, size));
  };
  const text = () => {
    const length = number(8);
    need(length);
    fields.push({ at, length: Number(length) });
    at += Number(length);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(at - Number(length), at));
  };
  const value = (type) => {
    if (type === 8n) return text();
    if (type !== 9n) {
      if (SIZES[type] === undefined) throw new Cut('a type is unknown');
      return number(SIZES[type]);
    }
    const inner = number(4);
    const count = number(8);
    if (inner === 9n) throw new Cut('a list is in a list');
    if (inner === 8n) for (let i = 0n; i < count; i++) text();
    else {
      if (SIZES[inner] === undefined) throw new Cut('a type is unknown');
      need(count * BigInt(SIZES[inner]));
      at += Number(count) * SIZES[inner];
    }
    return undefined;
  };
  try {
    need(4);
    if (bytes.subarray(0, 4).toString('latin1') !== 'GGUF') return { fields, problem: 'it begins with something else' };
    at = 4;
    if (![2n, 3n].includes(number(4))) return { fields, problem: 'its version is unknown' };
    const [tensorCount, keyCount] = [number(8), number(8)];
    const keys = new Set();
    for (let i = 0n; i < keyCount; i++) {
      const key = text();
      if (keys.has(key)) return { fields, problem: 'a key is there twice' };
      keys.add(key);
      const found = value(number(4));
      if (key === 'general.alignment') alignment = found;
    }
    if (typeof alignment !== 'bigint' || alignment < 1n || (alignment & (alignment - 1n)) !== 0n)
      return { fields, problem: 'its alignment is no power of two' };
    for (let i = 0n; i < tensorCount; i++) {
      const name = text();
      if (tensors.some((other) => other.name === name)) return { fields, problem: 'a tensor is there twice' };
      const shape = Array.from({ length: Number(number(4)) }, () => number(8));
      const [type, offset] = [number(4), number(8)];
      const [values, size] = BLOCKS[type] ?? [];
      if (values === undefined || shape.length < 1) return { fields, problem: 'a tensor is unknown' };
      if (shape[0] % BigInt(values) !== 0n || shape.includes(0n)) return { fields, problem: 'a shape is wrong' };
      const count = shape.reduce((product, one) => product * one, 1n);
      tensors.push({ name, offset, bytes: (count / BigInt(values)) * BigInt(size) });
    }
  } catch (error) {
    return { fields, problem: error instanceof Cut ? error.message : 'a text is not UTF-8' };
  }
  const aligned = (position) => ((position + alignment - 1n) / alignment) * alignment;
  const start = aligned(BigInt(at));
  let end = start;
  for (const { offset, bytes: size } of [...tensors].sort((a, b) => (a.offset < b.offset ? -1 : 1))) {
    if (start + offset !== aligned(end)) return { fields, problem: 'tensors overlap, or there is a hole' };
    end = start + offset + size;
  }
  return { fields, problem: end > BigInt(bytes.length) ? 'a tensor is cut off' : undefined };
}

const EXTREMES = [0n, 1n, 2n, 31n, 255n, 2n ** 16n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n];
const LARGEST = [2n ** 62n, 2n ** 63n, 2n ** 64n - 1n];

/** One number or text of the header changed; or the bytes alone. */
export function mutateGguf(bytes, random) {
  const { fields } = walkGguf(bytes);
  if (fields.length === 0 || random.chance(0.25)) return mutateBytes(bytes, random);
  const changed = Buffer.from(bytes);
  const field = random.pick(fields);
  if (field.size === undefined) {
    for (let i = 0; i < field.length && i < 4; i++) changed[field.at + random.below(field.length)] = random.below(256);
    return changed;
  }
  const most = 2n ** BigInt(8 * field.size);
  const old = BigInt(
    `0x${Buffer.from(bytes.subarray(field.at, field.at + field.size))
      .reverse()
      .toString('hex')}`,
  );
  const wanted = random.chance(0.4)
    ? old + BigInt(random.pick([-1, 1, 2, 32]))
    : random.pick([...EXTREMES, ...LARGEST]);
  const value = ((wanted % most) + most) % most;
  for (let i = 0; i < field.size; i++) changed[field.at + i] = Number((value >> BigInt(8 * i)) & 255n);
  return changed;
}
