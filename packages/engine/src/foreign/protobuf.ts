/**
 * Protocol buffers are encoded by hand, because Graft writes only a few small messages. Numbers are safe integers from 0.
 */
export const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];

export const integerField = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)];

export const bytesField = (field: number, content: readonly number[]): number[] => [
  ...varint((field << 3) | 2),
  ...varint(content.length),
  ...content,
];

export const textField = (field: number, content: string): number[] => bytesField(field, [...Buffer.from(content)]);
