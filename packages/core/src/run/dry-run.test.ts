import { tf } from '@graft/engine';
import { failureOf } from '@graft/test-support';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { engine, newRuns, runsIn } from '../../test/toy-runs';
import { loadConfig } from '../config';
import { dryRun, type DryRun } from './dry-run';

async function dry(runs: string, sections: Record<string, unknown> = {}): Promise<DryRun> {
  const loaded = await loadConfig({ value: toyConfig(runs, sections), plugins: [toyPlugin] });
  return dryRun(loaded, { engine });
}

it('a dry run reads the first batch and estimates the memory, and leaves neither tensors nor a folder', async () => {
  const runs = newRuns();
  const before = tf.memory().numTensors;
  const found = await dry(runs, {
    model: { use: 'linear', width: 3, outputs: 2 },
    train: { steps: 4, batchSize: 4, parameterDtype: 'bfloat16', groups: [{ names: ['unused'], untilStep: 0 }] },
  });
  expect(tf.memory().numTensors).toBe(before);
  expect(await runsIn(runs)).toEqual([]);
  expect(found.model).toEqual({ kind: 'decoder-only', parameters: 10, trained: 8 });
  expect(found.batch).toEqual({ fields: { x: [4, 3], y: [4, 1] }, lengths: undefined, firstRow: [] });
  expect(found.flopsPerStep).toBeUndefined();
  expect(found.memory).toMatchObject({
    parameters: 2 * 6 + 4 * 4,
    masterWeights: 4 * 6,
    gradients: 4 * 8,
    optimizerState: undefined,
  });
});

it('a dry run fails where the run would fail before its first step', async () => {
  const few = { dataset: { use: 'points', count: 2, repeat: false } };
  expect(await failureOf(dry(newRuns(), few))).toMatchObject({ code: 'data.ended' });
  const frozen = { train: { steps: 4, groups: [{ names: ['nothing'] }] } };
  expect(await failureOf(dry(newRuns(), frozen))).toMatchObject({ code: 'training.group-empty' });
});
