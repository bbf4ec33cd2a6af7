import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { readTexts } from './texts';

const folder = temporaryFolder();
const file = join(folder, 'texts.txt');

it('a file of texts is read line by line', async () => {
  writeFileSync(file, 'one\r\ntwo\n');
  expect(await readTexts(file)).toEqual(['one', 'two']);
});

it.each<[string | Buffer, string]>([
  ['', 'is empty; it should hold a text on each line.'],
  ['one\n\ntwo', ':2 is blank; every line should hold a text.'],
  [Buffer.from('one\ncaf\xe9', 'latin1'), 'cannot be read: it is not UTF-8 \\(byte 0xe9 at offset 7\\).'],
])('a file with the content %j is rejected', async (content, problem) => {
  writeFileSync(file, content);
  await expect(readTexts(file)).rejects.toMatchObject({
    message: expect.stringMatching(new RegExp(`texts\\.txt ?${problem}$`)) as string,
    exitCode: 2,
  });
});
