import { CheckpointError } from '@graft/errors';
import { SafetensorsReader } from './reader';
import { DEFAULT_METADATA, writeSafetensors } from './writer';

/** A whole tensor on the host, in a dtype that Graft computes with. */
export interface HostTensor {
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

/** Reads a small safetensors file whole: floats as float32, integers as int32. */
export async function readHostTensors(file: string): Promise<Record<string, HostTensor>> {
  const reader = await SafetensorsReader.open(file);
  try {
    const entries: [string, HostTensor][] = [];
    for (const { name, dtype, shape } of reader.tensors.values()) {
      if (dtype === 'I32' || dtype === 'I64')
        entries.push([name, { dtype: 'int32', shape, values: await reader.readInt32(name) }]);
      else if (dtype === 'F32' || dtype === 'F16' || dtype === 'BF16')
        entries.push([name, { dtype: 'float32', shape, values: await reader.readFloat32(name) }]);
      else {
        throw new CheckpointError(`${file}: tensor "${name}" holds ${dtype}; expected F32, F16, BF16, I32 or I64.`, {
          code: 'checkpoint.dtype',
        });
      }
    }
    // Unlike assignment, it accepts any name, "__proto__" too.
    return Object.fromEntries(entries);
  } finally {
    await reader.close();
  }
}

/** Writes whole tensors as float32 and int32; the file appears completely or not at all. */
export async function writeHostTensors(
  file: string,
  tensors: Readonly<Record<string, HostTensor>>,
  /** Metadata of the file. */
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeSafetensors(
    file,
    Object.entries(tensors).map(([name, { dtype, shape, values }]) => ({
      name,
      dtype: dtype === 'int32' ? 'I32' : 'F32',
      shape,
      data: () => values,
    })),
    { metadata: { ...DEFAULT_METADATA, ...metadata } },
  );
}
