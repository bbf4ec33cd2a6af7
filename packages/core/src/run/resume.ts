import { UsageError } from '@graft/engine';
import type { EvaluationConfig } from '../config';
import { ALWAYS_FREE, differences } from '../config/differences';
import { comparableConfig, secretsIn, type Json } from '../secrets/mask';
import { show } from '../util/show';
import { MASK } from '../secrets/redact';
import type { RunFolder } from './folder';

const FREE = {
  training: [
    ...ALWAYS_FREE,
    'evaluators',
    'train.stepsFrom',
    'train.checkpointEvery',
    'train.keepCheckpoints',
    'train.keepBest',
    'train.stopWhen',
    'train.logEvery',
    'train.shardOptimizer',
    'train.mesh',
    'train.sharding',
    'train.loader',
  ],
  evaluation: ALWAYS_FREE,
} as const;

/** An empty id does not mean "none": the search for the run rejects it. */
export const wantsResume = (resume: boolean | string | undefined): resume is true | string =>
  resume !== undefined && resume !== false;

/**
 * Throws UsageError naming every changed key that would make the resumed run a different one. `train.steps` may grow.
 */
export async function refuseChanges(
  config: EvaluationConfig,
  folder: RunFolder,
  kind: keyof typeof FREE = 'training',
): Promise<void> {
  const now = comparableConfig(config);
  // Ignores secrets: they may come from another source than before, and the folder does not store them.
  const before = comparableConfig(await folder.config());
  for (const { path } of secretsIn(config)) hide(before, path);
  const changed = differences(before, now, '').filter(
    ({ path, before: from, now: to }) =>
      !FREE[kind].some((free) => path === free || path.startsWith(`${free}.`)) &&
      !(path === 'train.steps' && Number(to) > Number(from)),
  );
  if (changed.length === 0) return;
  const list = changed.map(({ path, before: from, now: to }) => `${path} (was ${show(from)}, is ${show(to)})`);
  throw new UsageError(`The run ${folder.path} cannot continue with a changed config: ${list.join(', ')}.`, {
    code: 'run.changed',
    hint: 'Resume with the old values (the run folder has them in config.json), or start a new run.',
  });
}

/** Masks the value at a path, even if it is missing. */
function hide(tree: Json | undefined, path: readonly string[]): void {
  const parent = path
    .slice(0, -1)
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], tree);
  if (typeof parent === 'object' && parent !== null) (parent as Record<string, unknown>)[path.at(-1)!] = MASK;
}
