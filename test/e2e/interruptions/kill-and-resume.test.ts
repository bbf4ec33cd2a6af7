import { createRandom } from '@graft/core';
import { findNativeLibrary } from '@graft/engine';
import { temporaryFolder } from '../../support';
import { differingFiles, essence, killed, litter, MOMENTS, unbroken, writeTexts } from './kill-and-resume';

const folder = temporaryFolder();

describe('a run that is killed with SIGKILL', () => {
  it('kills during set-up, a step, a checkpoint and an evaluation change nothing in the resumed run', async () => {
    // Not XLA: every start would compile. The slow test has it.
    const variant = { name: 'ul2', engine: (await findNativeLibrary()) ? 'graph' : 'portable' };
    writeTexts(folder);
    const whole = await unbroken(folder, variant);
    const { folder: run, kills } = await killed(folder, variant, MOMENTS, createRandom(3).fork('kills'));
    expect(kills.length).toBeGreaterThan(2);
    expect(essence(run)).toEqual(essence(whole));
    expect(differingFiles(run, whole)).toEqual([]);
    expect(litter(run)).toEqual([]);
  });
});
