import { createRandom } from '@graft/core';
import { findNativeLibrary } from '@graft/engine';
import { temporaryFolder } from '../../support';
import {
  differingFiles,
  comparableResults,
  killedRun,
  leftoverFiles,
  KILL_POINTS,
  uninterruptedRun,
  writeTexts,
} from './kill-and-resume';

const folder = temporaryFolder();

describe('a run that is killed with SIGKILL', () => {
  it('kills during set-up, a step, a checkpoint and an evaluation change nothing in the resumed run', async () => {
    // Not XLA: every start would compile. The slow test has it.
    const variant = { name: 'ul2', engine: (await findNativeLibrary()) ? 'graph' : 'portable' };
    writeTexts(folder);
    const whole = await uninterruptedRun(folder, variant);
    const { folder: run, kills } = await killedRun(folder, variant, KILL_POINTS, createRandom(3).fork('kills'));
    expect(kills.length).toBeGreaterThan(2);
    expect(comparableResults(run)).toEqual(comparableResults(whole));
    expect(differingFiles(run, whole)).toEqual([]);
    expect(leftoverFiles(run)).toEqual([]);
  });
});
