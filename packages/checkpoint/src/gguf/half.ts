import { float16Table } from '../safetensors/dtypes';

/** The little-endian float16 at a position. */
export const halfAt = (bytes: Uint8Array, at: number): number => float16Table()[bytes[at] | (bytes[at + 1] << 8)];
