import fc from 'fast-check';
import { fromFloat32, parseFloatDtype, toFloat32, toInt32, type StoredDtype } from './dtypes';

/** Every finite value of a 16-bit type, widened by the code under test and ordered; rounding is checked against it. */
function values(dtype: StoredDtype): Float32Array {
  const words = Uint16Array.from({ length: 65536 }, (_, i) => i);
  return toFloat32(new Uint8Array(words.buffer), dtype)
    .filter((value) => Number.isFinite(value))
    .sort();
}

/** The nearest value by search, ties to the even bit pattern. */
function nearestWord(value: number, dtype: 'BF16' | 'F16', sorted: Float32Array): number {
  let low = 0;
  let high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle;
    else high = middle;
  }
  const word = (candidate: number): number => new Uint16Array(fromFloat32(Float32Array.of(candidate), dtype).buffer)[0];
  const [below, above] = [value - sorted[low], sorted[high] - value];
  if (below === above) return word(sorted[low]) & 1 ? word(sorted[high]) : word(sorted[low]);
  return word(below < above ? sorted[low] : sorted[high]);
}

const one = (value: number, dtype: StoredDtype): number =>
  new Uint16Array(fromFloat32(Float32Array.of(value), dtype).buffer)[0];
const finite = fc.float({ noNaN: true, noDefaultInfinity: true });

describe.each(['BF16', 'F16'] as const)('%s', (dtype) => {
  const sorted = values(dtype);

  test('every value of the dtype survives conversion to float32 and back', () => {
    const words = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const wide = toFloat32(new Uint8Array(words.buffer), dtype);
    const back = new Uint16Array(fromFloat32(wide, dtype).buffer);
    for (let word = 0; word < 65536; word++) {
      if (Number.isNaN(wide[word]))
        expect(toFloat32(new Uint8Array(Uint16Array.of(back[word]).buffer), dtype)[0]).toBeNaN();
      else if (back[word] !== word) throw new Error(`word ${word} came back as ${back[word]}`);
    }
  });

  test('conversion from float32 rounds to nearest, ties to even', () => {
    const largest = sorted[sorted.length - 1];
    fc.assert(
      fc.property(finite, (value) => {
        fc.pre(Math.abs(value) < largest);
        const expected = nearestWord(value, dtype, sorted);
        // Zero has two words; both are zero.
        if ((expected & 0x7fff) === 0) return (one(value, dtype) & 0x7fff) === 0;
        return one(value, dtype) === expected;
      }),
      { numRuns: 2000 },
    );
  });

  test('conversion from float32 rounds exact halves to even', () => {
    for (let i = 0; i < 1000; i++) {
      const at = 100 + i * 31;
      const half = (sorted[at] + sorted[at + 1]) / 2;
      if (Math.fround(half) !== half || half === 0) continue;
      expect(one(half, dtype) & 1).toBe(0);
    }
  });

  test('conversion keeps NaN and infinities', () => {
    for (const value of [NaN, Infinity, -Infinity])
      expect(toFloat32(fromFloat32(Float32Array.of(value), dtype), dtype)[0]).toBe(value);
    // A NaN whose payload is in the lower bits alone.
    const quiet = new Float32Array(Uint32Array.of(0x7f800001).buffer);
    expect(toFloat32(fromFloat32(quiet, dtype), dtype)[0]).toBeNaN();
  });
});

test('float16 overflows to infinity, and float32 is read at odd addresses', () => {
  expect(toFloat32(fromFloat32(Float32Array.of(65520, 65519, -1e9), 'F16'), 'F16')).toEqual(
    Float32Array.of(Infinity, 65504, -Infinity),
  );
  const odd = new Uint8Array(9);
  odd.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 1);
  expect(toFloat32(odd.subarray(1), 'F32')).toEqual(Float32Array.of(1.5, -2));
});

test("int64 is narrowed to int32 or rejected with the tensor's name", () => {
  const bytes = (...list: bigint[]): Uint8Array => new Uint8Array(BigInt64Array.from(list).buffer);
  expect(toInt32(bytes(-5n, 2147483647n), 'I64', 'x')).toEqual(Int32Array.of(-5, 2147483647));
  expect(() => toInt32(bytes(2147483648n), 'I64', 'file f, tensor "ids"')).toThrow(
    'file f, tensor "ids": 2147483648 does not fit into 32 bits.',
  );
  expect(() => toInt32(new Uint8Array(4), 'F32', 'here')).toThrow('here holds F32; expected I32 or I64.');
});

test('dtype names are parsed in every common spelling', () => {
  expect(['float32', 'bf16', 'BFLOAT16', 'fp16', 'F32'].map(parseFloatDtype)).toEqual([
    'F32',
    'BF16',
    'BF16',
    'F16',
    'F32',
  ]);
  expect(() => parseFloatDtype('int4')).toThrow('dtype "int4" is unknown; expected float32, bfloat16 or float16.');
});
