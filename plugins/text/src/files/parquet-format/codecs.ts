import { brotliDecompressSync, unzipSync } from 'node:zlib';
import { Damaged, Unsupported } from './problems';

export type Decompress = (bytes: Uint8Array, length: number) => Uint8Array;

/**
 * The function that unpacks pages of a codec; undefined: a number for which the format has no codec. Throws
 * Unsupported, Damaged.
 */
export async function decompressorOf(codec: string | undefined): Promise<Decompress> {
  if (codec === undefined) throw new Damaged('it has an unknown codec');
  // An ES module, which CommonJS can load on every Node only with `import()`.
  const { compressors } = await import('hyparquet-compressors');
  const known: Readonly<Record<string, Decompress | undefined>> = {
    ...compressors,
    UNCOMPRESSED: (bytes) => bytes,
    GZIP: (bytes, length) => unzipSync(bytes, { maxOutputLength: Math.max(1, length) }),
    BROTLI: (bytes, length) => brotliDecompressSync(bytes, { maxOutputLength: Math.max(1, length) }),
  };
  const decompress = Object.hasOwn(known, codec) ? known[codec] : undefined;
  if (!decompress) throw new Unsupported(`it is compressed with ${codec}, which is not supported`);
  return (bytes, length) => {
    // Writers differ in how they store empty pages.
    if (length === 0) return new Uint8Array(0);
    try {
      return decompress(bytes, length);
    } catch (cause) {
      throw new Damaged(`a page cannot be unpacked (${(cause as Error).message})`, { cause });
    }
  };
}
