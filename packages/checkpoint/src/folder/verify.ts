import type { StoredDtype } from '../safetensors/dtypes';
import { CheckpointReader } from './checkpoint-reader';
import { Manifest } from '../snapshot/manifest';
import { verifySnapshot } from '../snapshot/snapshot';

/** What `verifyCheckpoint` counted and found. */
export interface VerifyReport {
  readonly files: number;
  readonly tensors: number;
  readonly bytes: number;
  /** Names of tensors that contain a NaN or an infinity. */
  readonly nonFinite: readonly string[];
  /** For a run's snapshot: whether it has digests, with which all bytes then agree. Undefined for other checkpoints. */
  readonly digests?: boolean;
}

/**
 * Reads a checkpoint from end to end: headers, index, config.json, and every byte; a run's snapshot with its manifest,
 * optimizer state and averaged parameters. Throws CheckpointError at the first problem; non-finite numbers are only
 * listed.
 */
export async function verifyCheckpoint(path: string): Promise<VerifyReport> {
  const reader = await CheckpointReader.open(path);
  try {
    if (reader.folder !== undefined) {
      await reader.config();
      await reader.generationConfig();
      const over = await Manifest.over(reader.folder);
      if (over?.prefix === '') await verifySnapshot(reader.folder);
    }
    const nonFinite: string[] = [];
    let bytes = 0;
    for (const { name, dtype } of reader.tensors.values()) {
      let finite = true;
      for await (const chunk of reader.chunks(name)) {
        bytes += chunk.length;
        finite &&= allFinite(chunk, dtype);
      }
      if (!finite) nonFinite.push(name);
    }
    const files = new Set([...reader.tensors.values()].map(({ file }) => file)).size;
    return { files, tensors: reader.tensors.size, bytes, nonFinite, digests: reader.hasDigests };
  } finally {
    await reader.close();
  }
}

/** Bits of the exponent, all set in NaN and infinities; of a float64, those of its upper half. */
const EXPONENTS: Readonly<Partial<Record<StoredDtype, number>>> = {
  F64: 0x7ff00000,
  F32: 0x7f800000,
  BF16: 0x7f80,
  F16: 0x7c00,
};

function allFinite(chunk: Uint8Array, dtype: StoredDtype): boolean {
  const exponent = EXPONENTS[dtype];
  if (exponent === undefined) return true;
  const narrow = dtype === 'BF16' || dtype === 'F16';
  // Each chunk begins at the start of its own buffer.
  const words = narrow
    ? new Uint16Array(chunk.buffer, chunk.byteOffset, chunk.length / 2)
    : new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.length / 4);
  const first = dtype === 'F64' ? 1 : 0;
  for (let i = first; i < words.length; i += 1 + first) if ((words[i] & exponent) === exponent) return false;
  return true;
}
