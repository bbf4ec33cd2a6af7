/** Mutations of Parquet files that leave the rest of the file as it should be. */
import { mutateBytes } from './bytes.mjs';
import { changeThrift, ThriftTree, writeStruct } from './thrift.mjs';

const MAGIC = Buffer.from('PAR1');

/** The footer's tree, and where it begins; undefined for what is not whole. */
export function footerOf(bytes) {
  if (bytes.length < 12 || !bytes.subarray(-4).equals(MAGIC)) return undefined;
  const start = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  if (start < 4) return undefined;
  try {
    return { start, tree: new ThriftTree(bytes, start).struct() };
  } catch {
    return undefined;
  }
}

export function withFooter(body, tree) {
  const footer = writeStruct(tree);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([body, footer, length, MAGIC]);
}

const field = (struct, id) => struct?.fields?.find((one) => one.id === id);
const valueOf = (struct, id) => field(struct, id)?.value;

/** What describes each column of each row group. */
export function chunksOf(tree) {
  return (valueOf(tree, 4)?.items ?? [])
    .flatMap((group) => valueOf(group, 1)?.items ?? [])
    .map((chunk) => valueOf(chunk, 3))
    .filter((meta) => valueOf(meta, 7) !== undefined);
}

/** Where the pages of a column lie: `{ header, at, data, end }` each. */
export function pagesOf(bytes, meta) {
  const start = Number(valueOf(meta, 11) || valueOf(meta, 9));
  const end = start + Number(valueOf(meta, 7));
  const pages = [];
  for (let at = start; at < end;) {
    const thrift = new ThriftTree(bytes, at);
    const header = thrift.struct();
    const data = thrift.at;
    const next = data + Number(valueOf(header, 3));
    if (!(next > data) || next > end) break;
    pages.push({ header, at, data, end: next });
    at = next;
  }
  return pages;
}

/** Puts other bytes into a column's place, and moves what lies behind. */
export function spliceChunk(bytes, footer, meta, from, to, between) {
  const delta = BigInt(between.length - (to - from));
  field(meta, 7).value += delta;
  for (const other of chunksOf(footer.tree))
    for (const id of [9, 10, 11]) {
      const place = field(other, id);
      if (place && place.value > BigInt(from)) place.value += delta;
    }
  const body = Buffer.concat([bytes.subarray(0, from), between, bytes.subarray(to, footer.start)]);
  return withFooter(body, footer.tree);
}

export function mutateParquet(bytes, random) {
  const footer = footerOf(bytes);
  if (!footer || random.chance(0.25)) return mutateBytes(bytes, random);
  if (random.chance(0.5)) {
    for (let times = random.pick([1, 1, 2]); times > 0; times--) changeThrift(footer.tree, random);
    return withFooter(bytes.subarray(0, footer.start), footer.tree);
  }
  try {
    const meta = random.pick(chunksOf(footer.tree));
    const page = random.pick(pagesOf(bytes, meta));
    if (random.chance(0.5)) {
      changeThrift(page.header, random);
      return spliceChunk(bytes, footer, meta, page.at, page.data, writeStruct(page.header));
    }
    const data = mutateBytes(bytes.subarray(page.data, page.end), random);
    if (random.chance(0.5) && field(page.header, 3)) {
      field(page.header, 3).value = BigInt(data.length);
      if (valueOf(page.header, 2) === BigInt(page.end - page.data)) field(page.header, 2).value = BigInt(data.length);
    }
    const whole = Buffer.concat([writeStruct(page.header), data]);
    return spliceChunk(bytes, footer, meta, page.at, page.end, whole);
  } catch {
    return mutateBytes(bytes, random);
  }
}
