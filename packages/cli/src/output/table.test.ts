import { formatBytes, table } from './table';

describe('table', () => {
  it('a table pads its columns and aligns numbers right', () => {
    const text = table(
      ['name', 'n'],
      [
        ['a', '1'],
        ['longer', '1,000'],
      ],
      { right: [1] },
    );
    expect(text).toBe(['name        n', '------  -----', 'a           1', 'longer  1,000'].join('\n'));
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_649_152, '1.65 MB'],
    [25_000_000_000, '25.0 GB'],
  ])('%d bytes are formatted with the right unit', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
