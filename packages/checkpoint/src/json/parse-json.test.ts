import fc from 'fast-check';
import { ExactNumber, parseJson } from './parse-json';

const digits = (value: unknown): string =>
  value instanceof ExactNumber || typeof value === 'number' ? String(value) : '';

describe('parseJson', () => {
  it('the docstring example is right', () => {
    const { id } = parseJson('{"id": 12345678901234567890}', { exactNumbers: true }) as { id: ExactNumber };
    expect(id.digits).toBe('12345678901234567890');
  });

  it('parsing agrees with JSON.parse on any value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), fc.boolean(), (value, exactNumbers) => {
        const text = JSON.stringify(value);
        const read = JSON.stringify(parseJson(text, { exactNumbers }));
        expect(read).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('exact numbers keep all their digits', () => {
    const number = fc
      .tuple(
        fc.constantFrom('', '-'),
        fc.bigInt({ min: 0n, max: 10n ** 40n }),
        fc.stringMatching(/^(\.\d{1,30})?([eE][+-]?\d{1,2})?$/),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.array(number, { minLength: 1 }), fc.constantFrom('', ' ', '\t\r\n'), (numbers, blank) => {
        const text = `{"a":${blank}{"b, 3.5":${blank}[${numbers.join(`,${blank}`)}]},"c":${blank}${numbers[0]}}`;
        const { a, c } = parseJson(text, { exactNumbers: true }) as { a: { 'b, 3.5': unknown[] }; c: unknown };
        expect(a['b, 3.5'].map(digits)).toEqual(numbers);
        expect(digits(c)).toBe(numbers[0]);
        expect(Number(c)).toBe(Number(numbers[0]));
      }),
    );
    expect(digits(parseJson('1.0', { exactNumbers: true }))).toBe('1.0');
  });

  it('keys of any name become own properties', () => {
    const text = '{"__proto__": 1.0, "constructor": {"toString": 2}, "": 1e1}';
    const read = parseJson(text, { exactNumbers: true }) as object;
    expect(Object.keys(read)).toEqual(['__proto__', 'constructor', '']);
  });

  it.each([
    ['{"a": 1, "b": {"c": 1, "c": 1}}', 'the key "c" is there twice (1:24)'],
    ['{"a": 1,\n "\\u0061": 2}', 'the key "a" is there twice (2:2)'],
    ['{"a": [{"b": 1e400}]}', 'the number 1e400 is too large for a float64 (1:14)'],
    ['{"a": -1e999}', 'the number -1e999 is too large for a float64 (1:7)'],
    ['{"a": "x\\uD83D"}', '\\ud83d is half of a surrogate pair, not a character'],
    ['{"\\ude00": 1}', '\\ude00 is half of a surrogate pair, not a character'],
    ['{"a": 1,}', 'property name expected (1:9)'],
    [`${'['.repeat(20_000)}${']'.repeat(20_000)}`, 'it has more than 500 objects and lists within each other (1:501)'],
    [`${'{"a":'.repeat(20_000)}1`, 'it has more than 500 objects and lists within each other (1:2501)'],
    ['\ufeff{}', 'invalid symbol (1:1)'],
    ['{"a": NaN}', 'invalid symbol (1:7)'],
  ])('parsing rejects %s', (text, message) => {
    for (const exactNumbers of [false, true]) expect(() => parseJson(text, { exactNumbers })).toThrow(message);
  });

  it('parsing accepts the maximum depth and ignores brackets in strings', () => {
    const deep = `${'['.repeat(500)}"${'[{'.repeat(600)}\\"[[",1${']'.repeat(500)}`;
    expect(JSON.stringify(parseJson(deep))).toBe(JSON.stringify(JSON.parse(deep)));
  });

  it('parsing is not misled by strings that look like keys, numbers or surrogates', () => {
    const value = { a: '"a": 1, 1.50: 1e999', b: 'back\\', c: '\\ud83d', d: '😀 \u2028', e: ['":', '"'] };
    for (const exactNumbers of [false, true]) expect(parseJson(JSON.stringify(value), { exactNumbers })).toEqual(value);
    expect(parseJson('"\\ud83d\\ude00"')).toBe('😀');
  });
});

test('an error gives line and column and quotes nothing of a very long text', () => {
  const text = `{\n"a": 1,\n  "a": 2}${'\n'.repeat(3_000_000)}`;
  expect(() => parseJson(text)).toThrow('the key "a" is there twice (3:3)');
});

test.each([
  ['lists', `[${'[],'.repeat(1000)}[]]`],
  ['objects', `[${'{},'.repeat(1000)}{}]`],
  ['keys', `{${Array.from({ length: 1001 }, (_, i) => `"${i}":1`).join(',')}}`],
])('parsing rejects more %s than the limit before it creates them', (_, text) => {
  expect(() => parseJson(text, { maxParts: 1000 })).toThrow(/it has more than 1,000 objects, lists and keys/);
  expect(parseJson(text, { maxParts: 1003 })).toBeDefined();
  expect(parseJson(text)).toBeDefined();
});
