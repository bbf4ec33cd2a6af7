/**
 * Protocol buffers are encoded by hand, because Graft sends only two small messages. Numbers are integers below 2^31.
 */
export const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];

export const integerField = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)];

export const bytesField = (field: number, content: readonly number[]): number[] => [
  ...varint((field << 3) | 2),
  ...varint(content.length),
  ...content,
];

export const textField = (field: number, content: string): number[] => bytesField(field, [...Buffer.from(content)]);
