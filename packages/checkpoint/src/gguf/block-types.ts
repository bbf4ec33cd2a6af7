import { dequantizeK } from './dequantize-k';
import { dequantizeSimple } from './dequantize-simple';

/** Formats of tensors that Graft reads, as llama.cpp spells them. */
export type GgufTensorType =
  'F32' | 'F16' | 'BF16' | 'Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1' | 'Q8_0' | 'Q2_K' | 'Q3_K' | 'Q4_K' | 'Q5_K' | 'Q6_K';

/** A format: how many values a block holds, in how many bytes. */
export interface BlockType {
  readonly name: GgufTensorType;
  readonly values: number;
  readonly bytes: number;
}

/** By ggml's number. */
const READ: Readonly<Record<number, BlockType>> = {
  0: { name: 'F32', values: 1, bytes: 4 },
  1: { name: 'F16', values: 1, bytes: 2 },
  2: { name: 'Q4_0', values: 32, bytes: 18 },
  3: { name: 'Q4_1', values: 32, bytes: 20 },
  6: { name: 'Q5_0', values: 32, bytes: 22 },
  7: { name: 'Q5_1', values: 32, bytes: 24 },
  8: { name: 'Q8_0', values: 32, bytes: 34 },
  10: { name: 'Q2_K', values: 256, bytes: 84 },
  11: { name: 'Q3_K', values: 256, bytes: 110 },
  12: { name: 'Q4_K', values: 256, bytes: 144 },
  13: { name: 'Q5_K', values: 256, bytes: 176 },
  14: { name: 'Q6_K', values: 256, bytes: 210 },
  30: { name: 'BF16', values: 1, bytes: 2 },
};

/** Names of formats that Graft does not read, for errors. */
const OTHERS: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
  40: 'NVFP4',
};

/** The format with that number; undefined if Graft does not read it. */
export const blockType = (number: number): BlockType | undefined =>
  Object.hasOwn(READ, number) ? READ[number] : undefined;

/** The format's name for an error: `IQ4_XS`, or its number. */
export const blockTypeName = (number: number): string =>
  blockType(number)?.name ?? (Object.hasOwn(OTHERS, number) ? OTHERS[number] : `number ${number}`);

/** The names of all formats that Graft reads, in the order of their numbers. */
export const READ_TYPES: readonly GgufTensorType[] = Object.values(READ).map(({ name }) => name);

/**
 * Widens whole blocks to float32, exactly as llama.cpp's Python package does: every product and every sum is rounded to
 * float32. `values` has one element for each value of the blocks.
 */
export function dequantize(bytes: Uint8Array, { name }: BlockType, values: Float32Array): void {
  if (name.endsWith('_K')) dequantizeK(bytes, name as Parameters<typeof dequantizeK>[1], values);
  else dequantizeSimple(bytes, name as Parameters<typeof dequantizeSimple>[1], values);
}
