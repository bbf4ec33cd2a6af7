import { crc32c, maskedCrc32c } from './crc32c';
import { encodeEvent, type EventContents } from './event';
import { tfRecord } from './record';

test('the CRC has the values of RFC 3720 and the mask that TFRecord files have', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(new Uint8Array())).toBe(0);
  // The length 24, as in the first record of every event file.
  expect(maskedCrc32c(Buffer.from('1800000000000000', 'hex'))).toBe(0x224b7fa3);
});

// Written by TensorBoard 2.20's own RecordWriter from the same events.
test.each<[string, number, EventContents, string]>([
  [
    'the version',
    0,
    { fileVersion: 'brain.Event:2' },
    '1800000000000000a37f4b220900000000004a93401a0d627261696e2e4576656e743a3265b8d3fb',
  ],
  [
    'the numbers of a step',
    300,
    { scalars: { 'train/loss': 0.1, a: -3 } },
    '2b00000000000000861bc34b0900000000004a934010ac022a1d0a110a0a747261696e2f6c6f737315cdcccc3d0a080a016115000040c0cb5f475f',
  ],
  ['a restart', 4, { restart: true }, '0f000000000000006d532b090900000000004a934010043a02080190b33afd'],
  [
    'a text',
    1,
    { text: { tag: 'config', markdown: '*hi*' } },
    '33000000000000000ca720560900000000004a934010012a260a240a06636f6e666967420e080712041202080142042a68692a4a0a0a060a047465787420023a7e366a',
  ],
])('a record of %s has the bytes that TensorBoard writes', (_, step, contents, bytes) => {
  expect(tfRecord(encodeEvent(1234.5, step, contents)).toString('hex')).toBe(bytes);
});
