import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../../test/support';
import { CheckpointReader } from './folder';
import { unfinishedFolder, writeCheckpointResumably } from './resumable';
import type { TensorSource } from './writer';

const PLAN = { seed: 1, sources: ['a, 12 bytes'] };

/** Six tensors of 100 bytes, two to a file; the one called `fails` cannot be made. */
function contents(fails?: string, made: string[] = []) {
  const tensors = Array.from({ length: 6 }, (_, i): TensorSource => {
    const name = `t${i}`;
    return {
      name,
      dtype: 'U8',
      shape: [100],
      async *data() {
        await Promise.resolve();
        if (name === fails) throw new Error('the source is gone');
        made.push(name);
        yield new Uint8Array(100).fill(i);
      },
    };
  });
  return { config: { a: 1 }, tensors, maxShardBytes: 200, extraFiles: { 'note.txt': 'x' } };
}

async function interrupt(out: string, at = 't4'): Promise<void> {
  await expect(writeCheckpointResumably(out, contents(at), { plan: PLAN })).rejects.toThrow(
    /the source is gone[^]*unfinished keeps|the source is gone/,
  );
}

test('what was finished is kept, is no checkpoint, and is gone on with', async () => {
  const out = join(temporaryFolder(), 'out');
  await interrupt(out);
  expect(existsSync(out)).toBe(false);
  const partial = unfinishedFolder(out);
  expect(readdirSync(partial).filter((name) => name.endsWith('.safetensors'))).toHaveLength(2);
  await expect(CheckpointReader.open(partial)).rejects.toThrow(/holds no checkpoint/);

  const made: string[] = [];
  const kept: string[] = [];
  await writeCheckpointResumably(out, contents(undefined, made), {
    plan: PLAN,
    resume: true,
    onKept: (tensors) => kept.push(...tensors.map(({ name }) => name)),
  });
  expect([kept, made]).toEqual([
    ['t0', 't1', 't2', 't3'],
    ['t4', 't5'],
  ]);
  expect(existsSync(partial)).toBe(false);
  const straight = join(temporaryFolder(), 'straight');
  await writeCheckpointResumably(straight, contents(), { plan: PLAN });
  expect(readdirSync(out).sort()).toEqual(readdirSync(straight).sort());
  for (const name of readdirSync(out))
    expect(readFileSync(join(out, name)).equals(readFileSync(join(straight, name)))).toBe(true);
});

test('nothing finished leaves nothing; resuming nothing begins', async () => {
  const folder = temporaryFolder();
  await interrupt(join(folder, 'out'), 't0');
  expect(readdirSync(folder)).toEqual([]);
  await writeCheckpointResumably(join(folder, 'out'), contents(), { plan: PLAN, resume: true });
  expect(readdirSync(folder)).toEqual(['out']);
});

test('unfinished work is neither overwritten nor mixed with other work', async () => {
  const out = join(temporaryFolder(), 'out');
  await interrupt(out);
  await expect(writeCheckpointResumably(out, contents(), { plan: PLAN })).rejects.toMatchObject({
    message: expect.stringMatching(/out\.unfinished holds the unfinished work of an earlier call/) as string,
    hint: expect.stringMatching(/--resume/) as string,
    exitCode: 2,
  });
  const other = { ...PLAN, seed: 2 };
  await expect(writeCheckpointResumably(out, contents(), { plan: other, resume: true })).rejects.toThrow(
    /begun with other settings or sources: seed changed \(seed was 1, is 2\)/,
  );
  // A finished folder is never gone on with.
  mkdirSync(join(out, '..', 'done'));
  await expect(
    writeCheckpointResumably(join(out, '..', 'done'), contents(), { plan: PLAN, resume: true }),
  ).rejects.toThrow(/exists already/);
});

test('a finished file with other tensors is written anew, and half-written ones go', async () => {
  const out = join(temporaryFolder(), 'out');
  await interrupt(out);
  const partial = unfinishedFolder(out);
  const [first, second] = readdirSync(partial).filter((name) => name.endsWith('.safetensors'));
  writeFileSync(join(partial, first), readFileSync(join(partial, second)));
  writeFileSync(join(partial, '.graft-tmp-rest'), 'x');
  const made: string[] = [];
  await writeCheckpointResumably(out, contents(undefined, made), { plan: PLAN, resume: true });
  expect(made).toEqual(['t0', 't1', 't4', 't5']);
  expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([]);
});
