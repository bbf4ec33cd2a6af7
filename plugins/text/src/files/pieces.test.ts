import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderWith } from '../../test-support/datasets';
import { PieceReader } from './pieces';

const folder = folderWith({});
const path = join(folder, 'text');

async function documents(
  content: Buffer,
  separator: string | undefined,
  pieceBytes: number,
  stretchBytes: number,
): Promise<{ text: string; pieces: Buffer[] }[]> {
  writeFileSync(path, content);
  const file = { path, size: content.length };
  const reader = new PieceReader({
    separator: separator === undefined ? undefined : Buffer.from(separator),
    separates: () => true,
    ...{ pieceBytes, stretchBytes },
  });
  const result: { text: string; pieces: Buffer[] }[] = [];
  let pieces: Buffer[] = [];
  for (let offset = 0; offset < file.size || offset === 0;) {
    const piece = await reader.read(file, offset);
    expect(piece.bytes.length).toBeLessThanOrEqual(pieceBytes);
    expect(piece.next > offset || file.size === 0).toBe(true);
    pieces.push(Buffer.from(piece.bytes));
    offset = piece.next;
    if (piece.endsDocument) {
      result.push({ text: Buffer.concat(pieces).toString(), pieces });
      pieces = [];
    }
    if (file.size === 0) break;
  }
  return result;
}

it('documents are split at separators, whatever the size of the pieces', async () => {
  const text = fc
    .array(fc.constantFrom('a', 'é', '漢', '😀', '\n', '\n\n', '--'), { maxLength: 40 })
    .map((parts) => parts.join(''));
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.constantFrom('\n\n', '--', undefined),
      fc.integer({ min: 5, max: 40 }),
      fc.integer({ min: 0, max: 60 }),
      async (content, separator, piece, more) => {
        const found = await documents(Buffer.from(content), separator, piece, piece + more);
        const expected = separator === undefined ? [content] : content.split(separator);
        // A separator at the very end of a file opens no document.
        if (separator !== undefined && expected.length > 1 && expected.at(-1) === '') expected.pop();
        expect(found.map(({ text: document }) => document)).toEqual(expected);
        // No character is cut in two.
        for (const { pieces, text: document } of found) expect(pieces.map(String).join('')).toBe(document);
      },
    ),
    { numRuns: 150 },
  );
});

it('long documents are cut after newlines', async () => {
  const [{ pieces }] = await documents(Buffer.from('one\ntwo\nthree four five six'), undefined, 10, 20);
  expect(pieces.map(String)).toEqual(['one\ntwo\n', 'three fou', 'r five six']);
});

it('cuts are only where the tokenizer allows them, and documents without such a place stay whole', async () => {
  const content = `${'a'.repeat(50)} ${'b'.repeat(20)}  ${'c'.repeat(60)}`;
  writeFileSync(path, content);
  const file = { path, size: content.length };
  const pieces = async (separates?: (before: string, after: string) => boolean): Promise<string[]> => {
    const reader = new PieceReader({ separates, pieceBytes: 8, stretchBytes: 8 });
    const found: string[] = [];
    for (let offset = 0; offset < file.size;) {
      const { bytes, next } = await reader.read(file, offset);
      found.push(Buffer.from(bytes).toString());
      offset = next;
    }
    return found;
  };
  expect(await pieces((before, after) => before !== ' ' && after === ' ')).toEqual([
    'a'.repeat(50),
    ` ${'b'.repeat(20)}`,
    `  ${'c'.repeat(60)}`,
  ]);
  expect(await pieces()).toEqual([content]);
});

it('a document that is too long to be encoded whole is refused', async () => {
  writeFileSync(path, 'a'.repeat(100));
  const reader = new PieceReader({ separates: () => false, pieceBytes: 8, longestBytes: 32 });
  await expect(reader.read({ path, size: 100 }, 3)).rejects.toMatchObject({
    message: expect.stringContaining('can only encode whole: in the 0 MiB from byte 3 on') as string,
    code: 'data.uncut',
    hint: expect.stringContaining('`separator`') as string,
  });
});

it('the error names a file that has become shorter or is missing', async () => {
  writeFileSync(path, 'abc');
  await expect(new PieceReader().read({ path, size: 10 }, 0)).rejects.toThrow(
    'it has become shorter than the 10 bytes it had',
  );
  await expect(new PieceReader().read({ path: `${path}-gone`, size: 10 }, 0)).rejects.toThrow(
    'text-gone cannot be read',
  );
});
