import { SafetensorsReader } from '@graft/checkpoint';
import { hasEndlessNumber, hasHalfPair, hasKeyTwice, parseTree } from '../lib/json.mjs';
import { compare, openDataset, outcome, Wrong } from './support.mjs';

const WIDTHS = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
};

export function safetensors(tensors, metadata) {
  const header = metadata ? { __metadata__: metadata } : {};
  let at = 0;
  for (const [name, dtype, shape] of tensors) {
    const bytes = shape.reduce((product, size) => product * size, WIDTHS[dtype]);
    header[name] = { dtype, shape, data_offsets: [at, (at += bytes)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([prefix, text, Buffer.alloc(at)]);
}

/** Why a file is not what the format asks for, by a reading of its own; undefined where it is. */
export function problemOfSafetensors(bytes) {
  if (bytes.length < 8) return 'it has no header';
  const length = bytes.readBigUInt64LE(0);
  if (length > BigInt(bytes.length - 8)) return 'its header is longer than the file';
  let text;
  let tree;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + Number(length)));
    tree = parseTree(text);
  } catch {
    return 'its header is not JSON';
  }
  if (!tree.object || !text.startsWith('{')) return 'its header is not an object';
  if (hasKeyTwice(tree)) return 'a key is there twice';
  if (hasHalfPair(tree)) return 'a text has half of a surrogate pair';
  if (hasEndlessNumber(tree)) return 'a number is too large for a float64';
  const { __metadata__: metadata = {} } = JSON.parse(text);
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return 'its metadata are not a map';
  if (!Object.values(metadata).every((value) => typeof value === 'string')) return 'its metadata are not texts';
  const places = [];
  for (const entry of tree.object.filter(([key]) => JSON.parse(key) !== '__metadata__').map(([, node]) => node)) {
    if (!entry.object) return 'a tensor is not an object';
    const get = (key) => {
      const found = entry.object.find(([name]) => JSON.parse(name) === key)?.[1];
      return (
        found &&
        (found.list
          ? found.list.map(({ raw }) => (raw === undefined ? NaN : JSON.parse(raw)))
          : found.raw && JSON.parse(found.raw))
      );
    };
    const [dtype, shape, offsets] = [get('dtype'), get('shape'), get('data_offsets')];
    const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
    if (typeof dtype !== 'string' || !Object.hasOwn(WIDTHS, dtype)) return 'a dtype is unknown';
    if (!Array.isArray(shape) || !shape.every(isCount)) return 'a shape is wrong';
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) return 'offsets are wrong';
    const size = shape.reduce((product, one) => product * one, WIDTHS[dtype]);
    if (offsets[1] - offsets[0] !== size) return 'offsets contradict a shape';
    places.push(offsets);
  }
  places.sort(([a, b], [c, d]) => a - c || b - d);
  let at = 0;
  for (const [start, end] of places) {
    if (start !== at) return 'there is a hole, or tensors overlap';
    at = end;
  }
  return at === bytes.length - 8 - Number(length) ? undefined : 'the file has another length';
}

export default {
  what: 'safetensors files, and batches in them',
  seeds: async () => [
    {
      'a.safetensors': safetensors(
        [
          ['x', 'F32', [2, 3]],
          ['y', 'I64', [4]],
          ['z', 'BF16', [0, 5]],
        ],
        { format: 'pt' },
      ),
    },
    {
      'a.safetensors': safetensors([
        ['source.0', 'I32', [2, 4]],
        ['target.0', 'I32', [2, 3]],
        ['source.1', 'I32', [2, 4]],
        ['target.1', 'I32', [2, 3]],
      ]),
    },
    {
      'a.safetensors': safetensors([
        ['scalar', 'F16', []],
        ['7', 'U8', [9]],
        ['b', 'BOOL', [3]],
      ]),
    },
  ],
  async check(folder, files) {
    const file = `${folder}/a.safetensors`;
    const opened = await outcome(async () => {
      const reader = await SafetensorsReader.open(file);
      try {
        let bytes = 0;
        for (const name of reader.tensors.keys()) for await (const chunk of reader.chunks(name)) bytes += chunk.length;
        return bytes;
      } finally {
        await reader.close();
      }
    });
    const problem = files['a.safetensors'] && problemOfSafetensors(files['a.safetensors']);
    const { length } = files['a.safetensors'];
    if (opened.error && problem === undefined && length < 2 ** 20)
      throw new Wrong(`refused, though it is whole: ${opened.error.message}`);
    compare(opened, problem);
    // The seeds that hold no steps are refused here, each in one sentence.
    const batches = await outcome(async () => openDataset('tensors', { file }));
    if (batches.value) {
      for await (const item of batches.value) void item;
      batches.value.dispose();
    } else if (!/no-steps|tensor-/.test(batches.error.code)) throw batches.error;
  },
};
