/** Thrift's compact protocol as a tree that can be written back changed: Parquet's footers and page headers. */
import { INTERESTING, varint } from './bytes.mjs';

const zigzag = (value) => (value >= 0n ? 2n * value : -2n * value - 1n);
const unzigzag = (value) => (value % 2n === 0n ? value / 2n : -(value + 1n) / 2n);

/** A struct is `{ fields: [{ id, type, value }] }`, a list `{ inner, items }`; integers are bigints. */
export class ThriftTree {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  varint() {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new Error('the end');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  }

  struct() {
    const fields = [];
    for (let id = 0; ;) {
      const head = this.bytes[this.at++];
      if (head === undefined) throw new Error('the end');
      if (head === 0) return { fields };
      id = head >> 4 ? id + (head >> 4) : Number(unzigzag(this.varint()));
      fields.push({ id, type: head & 15, value: this.value(head & 15) });
    }
  }

  value(type) {
    if (type <= 2) return undefined;
    if (type === 3) return BigInt(this.bytes[this.at++]);
    if (type <= 6) return unzigzag(this.varint());
    if (type === 7) return this.take(8);
    if (type === 8) return this.take(Number(this.varint()));
    if (type === 12) return this.struct();
    if (type !== 9) throw new Error(`type ${type}`);
    const head = this.bytes[this.at++];
    const length = head >> 4 === 15 ? Number(this.varint()) : head >> 4;
    return {
      inner: head & 15,
      items: Array.from({ length }, () => ((head & 15) <= 2 ? BigInt(this.bytes[this.at++]) : this.value(head & 15))),
    };
  }

  take(length) {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

export function writeStruct({ fields }) {
  const parts = [];
  let last = 0;
  for (const { id, type, value } of fields) {
    const step = id - last;
    parts.push(
      step > 0 && step < 16
        ? Buffer.from([(step << 4) | type])
        : Buffer.concat([Buffer.from([type]), varint(zigzag(BigInt(id)))]),
    );
    last = id;
    parts.push(writeValue(type, value));
  }
  return Buffer.concat([...parts, Buffer.from([0])]);
}

function writeValue(type, value) {
  if (type <= 2) return Buffer.alloc(0);
  if (type === 3) return Buffer.from([Number(BigInt.asUintN(8, value ?? 0n))]);
  if (type <= 6) return varint(BigInt.asUintN(64, zigzag(BigInt.asIntN(64, value ?? 0n))));
  if (type === 7) return value;
  if (type === 8) return Buffer.concat([varint(BigInt(value.length)), value]);
  if (type === 12) return writeStruct(value);
  const { inner, items, claimed = items.length } = value;
  const head =
    claimed < 15
      ? Buffer.from([(claimed << 4) | inner])
      : Buffer.concat([Buffer.from([0xf0 | inner]), varint(BigInt(claimed))]);
  return Buffer.concat([
    head,
    ...items.map((item) => (inner <= 2 ? Buffer.from([Number(item)]) : writeValue(inner, item))),
  ]);
}

function nodesOf(node, found = []) {
  if (node?.fields) {
    found.push(node);
    for (const { value } of node.fields) nodesOf(value, found);
  } else if (node?.items) {
    found.push(node);
    for (const item of node.items) nodesOf(item, found);
  }
  return found;
}

const integer = (random) => (random.chance(0.2) ? -1n : 1n) * random.pick(INTERESTING);

/** Changes the tree in one place. */
export function changeThrift(tree, random) {
  const node = random.pick(nodesOf(tree));
  const all = node.fields ?? node.items;
  if (all.length === 0) {
    if (node.items) node.claimed = Number(random.pick(INTERESTING.slice(0, 32)));
    return;
  }
  const at = random.below(all.length);
  const roll = random.below(8);
  if (roll === 0) all.splice(at, 1);
  else if (roll === 1) all.splice(at, 0, structuredClone(all[at]));
  else if (node.items) {
    if (roll < 4) node.claimed = Number(random.pick(INTERESTING.slice(0, 32)));
    else if (typeof all[at] === 'bigint') all[at] = integer(random);
    else if (all[at] instanceof Uint8Array) all[at] = text(all[at], random);
  } else {
    const field = all[at];
    if (typeof field.value === 'bigint')
      field.value = random.chance(0.3) ? field.value + random.pick([1n, -1n, 7n, -8n]) : integer(random);
    else if (field.value instanceof Uint8Array) field.value = text(field.value, random);
    else if (roll === 2 && field.type <= 2) field.type = 3 - field.type;
    else if (roll === 3) field.id = random.pick([1, 2, 3, 4, 5, 7, 9, 11, 13, 500, -1]);
  }
}

const text = (bytes, random) =>
  random.pick([
    () => Buffer.from('__proto__'),
    () => Buffer.alloc(0),
    () => Buffer.from('text'),
    () => Buffer.from([0xff, 0xfe]),
    () => Buffer.concat([bytes, bytes]),
    () => Buffer.alloc(70_000, 0x61),
  ])();
