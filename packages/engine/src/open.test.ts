import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from './index';
import { checkVersion } from './native/runtime';

test('an unknown mode lists the known ones', async () => {
  await expect(openEngine({ mode: 'fast' as never })).rejects.toThrow(
    'engine mode "fast" is unknown; expected one of auto, eager, xla, graph, mixed, portable.',
  );
});

test('a library of an unsupported version says which it is and what is needed', () => {
  expect(() => checkVersion('2.9.1', { folder: '/lib' })).toThrow(
    'The native library in /lib is TensorFlow 2.9.1; Graft needs 2.10 or newer, below 3.',
  );
  expect(() => checkVersion('3.0.0', { folder: '/lib' })).toThrow(/TensorFlow 3\.0\.0/);
  expect(() => checkVersion('2.21.0', { folder: '/lib' })).not.toThrow();
});

test('files that are no library are refused in a sentence, even under auto', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'graft-'));
  for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'])
    writeFileSync(join(folder, name), 'no library');
  await expect(openEngine({ mode: 'auto', libraryPath: folder })).rejects.toThrow(/cannot be loaded/);
});

test('the portable engine says what it is', async () => {
  const engine = await openEngine({ mode: 'portable' });
  expect(engine.executor).toBe('portable');
  expect(engine.description).toMatch(/^portable \(tfjs \d/);
});
