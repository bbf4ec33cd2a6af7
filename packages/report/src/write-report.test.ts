import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { writeReport } from '.';

let folder: string;
beforeEach(() => void (folder = temporaryFolder()));

function run(id: string): string {
  const path = join(folder, 'runs', 'small', id);
  mkdirSync(path, { recursive: true });
  const now = '2026-01-01T00:00:00.000Z';
  const record = { name: 'small', id, status: 'finished', createdAt: now, updatedAt: now, steps: 1 };
  writeFileSync(join(path, 'run.json'), JSON.stringify(record));
  writeFileSync(join(path, 'config.json'), '{}');
  return path;
}

test('a report overwrites only another report unless --force is given', async () => {
  const out = join(folder, 'thesis.html');
  const runs = [run('one')];
  await writeReport(runs, out);
  await writeReport(runs, out);
  const mine = '<html><p>My thesis, with what graft report printed.</p></html>';
  writeFileSync(out, mine);
  await expect(writeReport(runs, out)).rejects.toMatchObject({
    message: `${out} exists already, and \`graft report\` did not write it.`,
    hint: 'Name another file, or have it overwritten with --force.',
    exitCode: 2,
  });
  expect(readFileSync(out, 'utf8')).toBe(mine);
  await writeReport(runs, out, { force: true });
  expect(readFileSync(out, 'utf8')).toContain('small/one');
});

test('an unreadable run is left out and named on the page', async () => {
  const [good, bad] = [run('one'), run('two')];
  writeFileSync(join(bad, 'run.json'), '{"name": "<b>"');
  const out = join(folder, 'report.html');
  const { leftOut } = await writeReport([bad, good], out);
  expect(leftOut).toEqual([expect.stringContaining(`${join(bad, 'run.json')} does not hold a JSON object`)]);
  const page = readFileSync(out, 'utf8');
  expect(page).toContain('small/one');
  expect(page).toContain(`Left out: ${join(bad, 'run.json')}`);
  const other = join(folder, 'other.html');
  await expect(writeReport([bad], other)).rejects.toThrow('does not hold a JSON object');
  expect(existsSync(other)).toBe(false);
});
