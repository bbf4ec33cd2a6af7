import { temporaryFolder } from '@graft/test-support';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTextRows } from './text-rows';

const folder = temporaryFolder();
const KEYS = { source: 'source', references: 'target' };

function fileOf(...lines: readonly string[]): string {
  const file = join(folder, 'rows.jsonl');
  writeFileSync(file, lines.join('\n'));
  return file;
}

test('rows have one reference, several or none, and empty lines do not count', async () => {
  const rows = fileOf('\ufeff{"source":"a","target":"b"}', '', '{"source":"c","target":["d","e"],"id":3}', '{"bad');
  expect(await readTextRows(rows, KEYS, 2)).toEqual([
    { source: 'a', references: ['b'] },
    { source: 'c', references: ['d', 'e'] },
  ]);
  expect(await readTextRows(fileOf('{"source":"a"}'), KEYS, 9)).toEqual([{ source: 'a', references: [] }]);
});

test.each([
  [
    '{"source":"a"}\n{"target":"b"}',
    /rows\.jsonl, line 2: expected a text that is not empty as "source", got nothing\.$/,
  ],
  ['{"source":7}', /line 1: expected a text that is not empty as "source", got 7\.$/],
  ['{"source":"a","target":[]}', /line 1: expected a text or a list of texts as "target", got \[\]\.$/],
  ['{"source":"a","target":"b"}\n{"source":"c"}', /line 2: the row lacks "target", and the rows before it do not\.$/],
  ['{"source":"a"}\n{"source":"c","target":"b"}', /line 2: the row has "target", and the rows before it do not\.$/],
  ['[1]', /line 1: expected a JSON object, got \[1\]\.$/],
  ['{"source":', /line 1: not JSON that can be read: .+\.$/],
  ['\n', /rows\.jsonl has no rows\.$/],
])('a file that contains %j is refused', async (text, message) => {
  await expect(readTextRows(fileOf(text), KEYS, 9)).rejects.toThrow(message);
});

test('a file that is missing is named', async () => {
  await expect(readTextRows(join(folder, 'none.jsonl'), KEYS, 9)).rejects.toMatchObject({ code: 'data.unreadable' });
});
