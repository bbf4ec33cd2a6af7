/** When batches go to the device, seen through whole runs. */
import { openEngine, tf, type Engine } from '@graft/engine';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import { runExperiment, type RunOptions } from '../run/experiment';

let engine: Engine;
beforeAll(async () => void (engine = await openEngine({ mode: 'portable' })));

/** An engine whose steps compute until the next batch is uploaded, as far as there is one. It logs what happens. */
function logging(log: string[], uploadedBefore: number): Engine {
  let uploads = 0;
  return {
    ...engine,
    upload: (tensors) => {
      log.push(`upload ${++uploads}`);
      engine.upload(tensors);
    },
    jit: (fn, options) => {
      const jitted = engine.jit(fn, options);
      if (options?.name !== 'trainStep') return jitted;
      let step = 0;
      const { async: compute } = jitted;
      const async: typeof compute = async (...args) => {
        log.push(`step ${++step} begins`);
        const result = await compute(...args);
        for (let turn = 0; turn < 1000 && uploads < Math.min(step + 1, uploadedBefore); turn++) await nextTurn();
        log.push(`step ${step} ends`);
        return result;
      };
      return Object.assign(jitted, { async });
    },
  };
}

async function run(steps: number, options: RunOptions = {}, log: string[] = []): Promise<string[]> {
  const value = toyConfig(temporaryFolder(), { train: { steps } });
  await runExperiment(await loadConfig({ value, plugins: [toyPlugin] }), { engine: logging(log, steps), ...options });
  return log;
}

test('the next batch is uploaded while a step computes, and each is uploaded once', async () => {
  expect(await run(3)).toEqual([
    'upload 1',
    'step 1 begins',
    'upload 2',
    'step 1 ends',
    'step 2 begins',
    'upload 3',
    'step 2 ends',
    'step 3 begins',
    'step 3 ends',
  ]);
});

test('an uploaded batch that no step takes is freed', async () => {
  await run(2);
  const { numTensors } = tf.memory();
  const controller = new AbortController();
  const log = await run(9, { signal: controller.signal, onStep: () => controller.abort() });
  expect(log).toEqual(['upload 1', 'step 1 begins', 'upload 2', 'step 1 ends']);
  expect(tf.memory().numTensors).toBe(numTensors);
});

test('an upload that fails is reported by the step that gets the batch', async () => {
  const log: string[] = [];
  const own = logging(log, 3);
  const failing: Engine = {
    ...own,
    upload: (tensors) => {
      own.upload(tensors);
      if (log.at(-1) === 'upload 3') throw new Error('no place for it');
    },
  };
  const value = toyConfig(temporaryFolder(), { train: { steps: 3 } });
  const config = await loadConfig({ value, plugins: [toyPlugin] });
  const { numTensors } = tf.memory();
  expect(await failureOf(runExperiment(config, { engine: failing }))).toMatchObject({
    message: expect.stringContaining('no place for it') as string,
  });
  expect(log.at(-1)).toBe('step 2 ends');
  expect(tf.memory().numTensors).toBe(numTensors);
});
