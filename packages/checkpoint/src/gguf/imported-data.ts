import { fromFloat32, type StoredDtype } from '../safetensors/dtypes';
import type { ImportedTensor } from './architecture';
import { GGUF_PIECE_VALUES, type GgufReader } from './reader';

/**
 * A tensor's values as a Hugging Face folder has them, in pieces of bounded size: gains without the 1 that llama.cpp
 * adds, rows of heads in the published order.
 */
export async function* importedValues(reader: GgufReader, tensor: ImportedTensor): AsyncGenerator<Float32Array> {
  const { from, minus, interleavedHeads } = tensor;
  if (interleavedHeads !== undefined) yield* separatedRows(reader, from.name, from.shape, interleavedHeads);
  else
    for await (const values of reader.float32Chunks(from.name)) {
      if (minus !== undefined) for (let i = 0; i < values.length; i++) values[i] -= minus;
      yield values;
    }
}

/** The same, as bytes of a dtype. */
export async function* importedBytes(
  reader: GgufReader,
  tensor: ImportedTensor,
  dtype: StoredDtype,
): AsyncGenerator<Uint8Array> {
  for await (const values of importedValues(reader, tensor))
    yield fromFloat32(values, dtype, dtype === 'F32' ? undefined : new Uint16Array(values.buffer, 0, values.length));
}

/**
 * llama.cpp rotates neighbouring rows of a head with each other, the published implementation row i with row i + d/2:
 * its rows 0 to d/2 are the even ones of the file, the others the odd ones.
 */
async function* separatedRows(
  reader: GgufReader,
  name: string,
  [rows, width]: readonly number[],
  heads: number,
): AsyncGenerator<Float32Array> {
  const headRows = rows / heads;
  const pairs = Math.max(1, Math.floor(GGUF_PIECE_VALUES / (2 * width)));
  for (let head = 0; head < rows; head += headRows)
    for (const odd of [0, 1])
      for (let pair = 0; pair < headRows / 2; pair += pairs) {
        const count = Math.min(pairs, headRows / 2 - pair);
        // Both rows of each pair are read, and one is kept: they are next to each other.
        const values = await reader.rows(name, head + 2 * pair, 2 * count);
        const kept = new Float32Array(count * width);
        for (let i = 0; i < count; i++) {
          const row = (2 * i + odd) * width;
          kept.set(values.subarray(row, row + width), i * width);
        }
        yield kept;
      }
}
