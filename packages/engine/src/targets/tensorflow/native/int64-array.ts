export function int64Array(values: readonly number[]): BigInt64Array {
  const result = new BigInt64Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = BigInt(values[i]);
  return result;
}
