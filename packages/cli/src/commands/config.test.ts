import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../program';

jest.mock('../default-plugins', () => ({ defaultPlugins: [] }));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function graft(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  let [stdout, stderr] = ['', ''];
  const streams = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
  };
  return { status: await main(['node', 'graft', ...args], streams), stdout, stderr };
}

/** Writes a config and returns its path. */
function written(name: string, config: object): string {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(config));
  return file;
}

test('graft config --schema prints a JSON Schema without a config', async () => {
  const { status, stdout } = await graft('config', '--schema');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ title: 'Graft experiment', additionalProperties: false });
});

test('graft config reports every mistake of a config with status 2 and prints nothing', async () => {
  const { status, stdout, stderr } = await graft('config', written('bad.json', { name: 'bad', trian: {} }));
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/trian: unknown key; did you mean "train"/);
});

test('graft config refuses --print with --schema', async () => {
  const { status, stderr } = await graft('config', '--print', '--schema');
  expect([status, stderr]).toEqual([2, 'graft: Give --print or --schema, not both.\n']);
});

test('graft config --check reports mistakes, and otherwise prints one line', async () => {
  const { status, stderr } = await graft('config', written('bad.json', { name: 'bad', trian: {} }), '--check');
  expect([status, stderr]).toEqual([2, expect.stringMatching(/trian: unknown key; did you mean "train"/)]);
  const both = await graft('config', '--check', '--schema');
  expect(both.stderr).toBe('graft: Give --schema or --check, not both.\n');
});

test('graft plugins names the nearest component for an unknown id', async () => {
  const { status, stderr } = await graft('plugins', 'adamv');
  expect(status).toBe(2);
  expect(stderr).toContain('No loaded plugin has a component "adamv".');
});
