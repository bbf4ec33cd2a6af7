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
  type Kill,
  type KillPoint,
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
  const allKills: Kill[] = [];
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
      const killPoints: KillPoint[] = [...KILL_POINTS, KILL_POINTS[random.integer(KILL_POINTS.length)]];
      const order = killPoints.sort(() => random.integer(3) - 1);
      const whole = await uninterruptedRun(folder, given);
      const { folder: run, kills } = await killedRun(folder, given, order, random);
      allKills.push(...kills);
      expect(comparableResults(run)).toEqual(comparableResults(whole));
      expect(differingFiles(run, whole)).toEqual([]);
      expect(leftoverFiles(run)).toEqual([]);
    },
    600_000,
  );

  it('the kills hit every part of a run', () => {
    console.log(allKills.map((kill) => JSON.stringify(kill)).join('\n'));
    expect(allKills.length).toBeGreaterThanOrEqual(VARIANTS.length * KILLS_PER_RUN - 3);
    expect(allKills.some(({ lines }) => lines === 0)).toBe(true);
    expect(allKills.some(({ writing }) => writing)).toBe(true);
    expect(allKills.some(({ evaluationPending }) => evaluationPending)).toBe(true);
    expect(allKills.some(({ lines, writing, evaluationPending }) => lines > 0 && !writing && !evaluationPending)).toBe(
      true,
    );
  });
});
