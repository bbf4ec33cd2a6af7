import { CALLS } from './layout';
import { HEADER_BYTES, readTable, tableBytes } from './table';

/** A table of functions whose addresses are 1. */
function table({ bytes = 1144, major = 0, minor = 90 } = {}): Buffer {
  const result = Buffer.alloc(bytes);
  result.writeBigUInt64LE(BigInt(bytes), 0);
  result.writeInt32LE(major, 32);
  result.writeInt32LE(minor, 36);
  for (let at = HEADER_BYTES; at < bytes; at += 8) result.writeBigUInt64LE(1n, at);
  return result;
}

describe('the table of functions of a PJRT plugin', () => {
  it('a table with every function is accepted, and has its version', () => {
    const { version, functions } = readTable(table({ minor: 115 }), 'p.so');
    expect(version).toBe('0.115');
    expect(functions.Event_Await).toBe(1n);
  });

  it('a table that ends before a function that Graft calls is too old', () => {
    const old = table({ bytes: CALLS.Executable_OutputDimensions.at, minor: 29 });
    expect(() => readTable(old, 'p.so')).toThrow(
      expect.objectContaining({
        code: 'engine.pjrt-version',
        message: 'The PJRT plugin p.so is too old: version 0.29 of the C API has no PJRT_Executable_OutputDimensions.',
      }),
    );
  });

  it('a plugin without the optional functions is accepted', () => {
    const some = table();
    some.writeBigUInt64LE(0n, CALLS.Executable_Serialize.at);
    expect(readTable(some, 'p.so').functions.Executable_Serialize).toBe(0n);
  });

  it('another major version is refused', () => {
    expect(() => readTable(table({ major: 1, minor: 2 }), 'p.so')).toThrow(
      expect.objectContaining({
        code: 'engine.pjrt-version',
        message: 'The PJRT plugin p.so has version 1.2 of the C API; Graft knows 0.x, which is incompatible.',
      }),
    );
  });

  it.each([0, 39, 1143, 1 << 20])('a table that claims %d bytes is not one of PJRT', (bytes) => {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeBigUInt64LE(BigInt(bytes), 0);
    expect(() => tableBytes(header, 'p.so')).toThrow(expect.objectContaining({ code: 'engine.pjrt-plugin' }));
  });
});
