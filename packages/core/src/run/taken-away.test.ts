import { openEngine, tf, type Engine } from '@graft/engine';
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import { runExperiment } from './experiment';

let engine: Engine;
beforeAll(async () => void (engine = await openEngine({ mode: 'portable' })));

/** Runs the toy, does something to its folder after a step, and returns the error and what is in the folder of its name. */
async function runWith(
  train: object,
  change: (folder: string) => void,
): Promise<{ error: unknown; left: string[]; folder: string; steps: number }> {
  const runs = temporaryFolder();
  const parent = join(runs, 'toy');
  const loaded = await loadConfig({ value: toyConfig(runs, { train }), plugins: [toyPlugin] });
  let folder = '';
  let steps = 0;
  const error: unknown = await runExperiment(loaded, {
    engine,
    onStep: (step) => {
      steps = step;
      if (step !== 3) return;
      folder = join(
        parent,
        readdirSync(parent).find((name) => name !== 'latest')!,
      );
      change(folder);
    },
  }).catch((thrown: unknown) => thrown);
  return { error, folder, steps, left: readdirSync(parent).filter((name) => name !== 'latest') };
}

const lost = (folder: string, how: string): object => ({
  message: `The run ${folder} cannot continue: ${how} while this process was writing to it.`,
  exitCode: 1,
  code: 'checkpoint.lost',
});

describe.each([
  ['between checkpoints', { steps: 200, checkpointEvery: 0 }],
  ['with a checkpoint after each step', { steps: 200, checkpointEvery: 1 }],
  ['at the last step', { steps: 3, checkpointEvery: 0 }],
])('a run, %s,', (_, train) => {
  it('the run ends when its folder is deleted, and does not recreate it', async () => {
    const before = tf.memory().numTensors;
    const { error, left, folder, steps } = await runWith(train, (path) => rmSync(path, { recursive: true }));
    expect(error).toMatchObject(lost(folder, 'its folder was deleted or moved'));
    expect(left).toEqual([]);
    expect(steps).toBeLessThan(20);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('the run ends when its folder is moved, and leaves the moved folder unchanged', async () => {
    let atMove: string[] = [];
    const files = (path: string): string[] =>
      readdirSync(path, { recursive: true })
        .map(String)
        .filter((name) => !name.includes('.graft-tmp-'))
        .sort();
    const { error, left, folder } = await runWith(train, (path) => {
      renameSync(path, `${path}-moved`);
      atMove = files(`${path}-moved`);
    });
    expect(error).toMatchObject(lost(folder, 'its folder was deleted or moved'));
    expect(left).toEqual([`${folder.split('/').pop()}-moved`]);
    expect(files(`${folder}-moved`)).toEqual(atMove);
  });

  it('the run ends when its folder is replaced, and writes nothing into the new folder', async () => {
    const { error, folder } = await runWith(train, (path) => {
      cpSync(path, `${path}-copy`, { recursive: true });
      rmSync(path, { recursive: true });
      mkdirSync(path);
      writeFileSync(join(path, 'mine'), '');
      rmSync(`${path}-copy`, { recursive: true });
    });
    expect(error).toMatchObject(lost(folder, 'its folder was replaced, or its lock was removed'));
    expect(readdirSync(folder)).toEqual(['mine']);
  });
});
