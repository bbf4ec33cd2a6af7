import fc from 'fast-check';
import { decodeUtf8, describeInvalidUtf8, invalidUtf8At, loneSurrogate } from './unicode';

describe('UTF-8', () => {
  it('decoding UTF-8 restores every code point', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => expect(decodeUtf8(Buffer.from(text))).toBe(text)));
    expect(decodeUtf8(Buffer.from('\ufeffa\0'))).toBe('\ufeffa\0');
  });

  it('invalid UTF-8 is rejected with the offset of its first wrong byte', () => {
    const wrong = fc.constantFrom(
      [0x80],
      [0xff],
      [0xc0, 0xaf],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xef, 0xbf, 0x41],
      [0xc3],
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), wrong, fc.constantFrom('', 'x', 'é\ufffd'), (before, bytes, after) => {
        const all = Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
        expect(decodeUtf8(all)).toBeUndefined();
        expect(invalidUtf8At(all)).toBe(Buffer.byteLength(before));
      }),
    );
    expect(invalidUtf8At(Buffer.from('\ufffd'))).toBeUndefined();
    expect(describeInvalidUtf8(Buffer.from('caf\xe9', 'latin1'), 10)).toBe('byte 0xe9 at offset 13');
  });

  it('a lone half of a surrogate pair is found', () => {
    expect(loneSurrogate('a😀')).toBeUndefined();
    expect(loneSurrogate('a😀'.slice(0, 2))).toBe('\ud83d');
    expect(loneSurrogate('\ude00\ud83d')).toBe('\ude00');
  });
});
