import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { openEngine, tf } from './index';
import { checkVersion } from './targets/tensorflow/native/version';

test('an unknown mode is rejected with the known ones', async () => {
  await expect(openEngine({ mode: 'fast' as never })).rejects.toThrow(
    'engine mode "fast" is unknown; expected one of auto, eager, xla, graph, mixed, portable, pjrt.',
  );
});

test('a library of an unsupported version is rejected with its version and the required one', () => {
  expect(() => checkVersion('2.9.1', { folder: '/lib' })).toThrow(
    'The native library in /lib is TensorFlow 2.9.1; Graft needs 2.10 or newer, below 3.',
  );
  expect(() => checkVersion('3.0.0', { folder: '/lib' })).toThrow(/TensorFlow 3\.0\.0/);
  expect(() => checkVersion('2.21.0', { folder: '/lib' })).not.toThrow();
});

test('files that are not a library are rejected, also in mode auto', async () => {
  const folder = temporaryFolder();
  for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'])
    writeFileSync(join(folder, name), 'no library');
  await expect(openEngine({ mode: 'auto', libraryPath: folder })).rejects.toThrow(/cannot be loaded/);
});

test('the portable engine sums more ones than float32 can count', async () => {
  await openEngine({ mode: 'portable' });
  const [rows, columns] = [4097, 4096];
  const ones = tf.ones([rows, columns]);
  expect((await tf.sum(ones).data())[0]).toBe(rows * columns);
  expect((await tf.mean(ones).data())[0]).toBe(1);
  expect(tf.sum(ones, [0, 1], true).shape).toEqual([1, 1]);
  expect([
    ...(await tf
      .sum(
        tf.tensor3d([
          [
            [1, 2],
            [3, 4],
          ],
          [
            [5, 6],
            [7, 8],
          ],
        ]),
        [0, 2],
      )
      .data()),
  ]).toEqual([14, 22]);
  ones.dispose();
});

test('the portable engine describes itself', async () => {
  const engine = await openEngine({ mode: 'portable' });
  expect(engine.executor).toBe('portable');
  expect(engine.description).toMatch(/^portable \(tfjs \d/);
});
