import fc from 'fast-check';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { temporaryFolder } from '@graft/test-support';
import { decodeText, FileBytes } from './file-bytes';

const folder = temporaryFolder();

async function contentOf(bytes: Uint8Array): Promise<Buffer> {
  const path = join(folder, 'a.gz');
  writeFileSync(path, bytes);
  const chunks: Buffer[] = [];
  const files = new FileBytes();
  for await (const chunk of files.scan({ path, size: statSync(path).size })) chunks.push(Buffer.from(chunk));
  files.dispose();
  return Buffer.concat(chunks);
}

const gzip = (text: string): Buffer => gzipSync(text);
const zeros = (count: number): Buffer => Buffer.alloc(count);

describe('gzip files', () => {
  it('all members are read, whatever zeros are between and after them', async () => {
    const member = fc.tuple(fc.string({ unit: 'binary' }), fc.constantFrom(0, 0, 1, 2, 511, 300_000));
    await fc.assert(
      fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 5 }), async (members) => {
        const bytes = Buffer.concat(members.flatMap(([text, padding]) => [gzip(text), zeros(padding)]));
        expect((await contentOf(bytes)).toString()).toBe(members.map(([text]) => text).join(''));
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, Buffer[], RegExp]>([
    ['garbage after it', [gzip('a'), Buffer.from('junk')], /its gzip data are damaged \(incorrect header check\)/],
    ['one byte after it', [gzip('a'), Buffer.from('j')], /its gzip data end too early/],
    [
      'garbage after zeros',
      [gzip('a'), zeros(9), Buffer.from('junk')],
      /what follows its gzip data, at byte 30, is not gzip/,
    ],
    ['a truncated member', [gzip('a'), gzip('b').subarray(0, 12)], /its gzip data end too early/],
    ['a truncated member after zeros', [gzip('a'), zeros(3), gzip('b').subarray(0, 12)], /its gzip data end too early/],
    ['a wrong checksum', [gzip('a').fill(0, 13, 17)], /its gzip data are damaged/],
  ])('gzip with %s is refused', async (_, parts, message) => {
    await expect(contentOf(Buffer.concat(parts))).rejects.toMatchObject({
      code: 'data.gzip',
      message: expect.stringMatching(message) as string,
    });
  });
});

it('gzip that unpacks to more than 256 times its bytes is refused before it fills the memory', async () => {
  const path = join(folder, 'bomb.gz');
  writeFileSync(path, gzipSync(zeros(2 ** 27)));
  const files = new FileBytes();
  let seen = 0;
  const reading = async (): Promise<void> => {
    for await (const chunk of files.scan({ path, size: statSync(path).size })) seen += chunk.length;
  };
  await expect(reading()).rejects.toMatchObject({
    code: 'data.gzip',
    message: expect.stringMatching(
      /bomb\.gz cannot be read: its first \d+ bytes unpack to more than 256 times/,
    ) as string,
  });
  expect(seen).toBeLessThanOrEqual(2 ** 25 + 2 ** 20);
  // Less than 32 MiB may grow by any factor.
  expect((await contentOf(gzipSync(zeros(2 ** 24)))).length).toBe(2 ** 24);
});

it('text keeps its byte order marks, and the error for text that is not UTF-8 names the place', () => {
  const text = '\ufeffa\ufeff\0\r\n\u2028\u{10ffff}';
  expect(decodeText(Buffer.from(text), 'a.txt', 0)).toBe(text);
  expect(() => decodeText(Buffer.from('caf\xe9', 'latin1'), 'a.txt', 1000)).toThrow(
    'a.txt is not UTF-8: byte 0xe9 at offset 1003.',
  );
});
