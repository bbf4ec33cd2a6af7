import { createRandom } from '@graft/core';
import { findNativeLibrary } from '@graft/engine';
import { temporaryFolder } from '../../support';
import {
  differingFiles,
  essence,
  killed,
  litter,
  MOMENTS,
  unbroken,
  writeTexts,
  type Kill,
  type Moment,
  type Variant,
} from './kill-and-resume';

const folder = temporaryFolder();
const KILLS_PER_RUN = 5;

const VARIANTS: readonly Variant[] = [
  { name: 'graph', engine: 'graph' },
  { name: 'xla', engine: 'xla' },
  {
    name: 'eager',
    engine: 'eager',
    train: ', groups: [{ parts: [embedding], fromStep: 11, learningRateFactor: 0.5 }]',
  },
  { name: 'micro-batches', engine: 'graph', train: ', microBatches: 2, crossAttentionWarmupSteps: 7' },
];

describe('twenty kills', () => {
  const met: Kill[] = [];
  let native: boolean;
  beforeAll(async () => {
    native = (await findNativeLibrary()) !== undefined;
    writeTexts(folder);
  });

  it.each(VARIANTS)(
    `${KILLS_PER_RUN} kills in one run ($name) change none of its numbers`,
    async ({ engine, ...variant }) => {
      const given = { ...variant, engine: native ? engine : 'portable' };
      const random = createRandom(Number(process.env.GRAFT_KILL_SEED ?? 0)).fork(variant.name);
      const moments: Moment[] = [...MOMENTS, MOMENTS[random.integer(MOMENTS.length)]];
      const order = moments.sort(() => random.integer(3) - 1);
      const whole = await unbroken(folder, given);
      const { folder: run, kills } = await killed(folder, given, order, random);
      met.push(...kills);
      expect(essence(run)).toEqual(essence(whole));
      expect(differingFiles(run, whole)).toEqual([]);
      expect(litter(run)).toEqual([]);
    },
    600_000,
  );

  it('the kills hit every part of a run', () => {
    console.log(met.map((kill) => JSON.stringify(kill)).join('\n'));
    expect(met.length).toBeGreaterThanOrEqual(VARIANTS.length * KILLS_PER_RUN - 3);
    expect(met.some(({ lines }) => lines === 0)).toBe(true);
    expect(met.some(({ writing }) => writing)).toBe(true);
    expect(met.some(({ owesEvaluation }) => owesEvaluation)).toBe(true);
    expect(met.some(({ lines, writing, owesEvaluation }) => lines > 0 && !writing && !owesEvaluation)).toBe(true);
  });
});
