import { plugin as benchmarks } from '@graft/benchmarks';
import { loadConfig, loadEvaluationConfig } from '@graft/core';
import { plugin as gemma } from '@graft/gemma';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { plugin as scratch } from '@graft/scratch';
import { plugin as superglue } from '@graft/superglue';
import { plugin as text } from '@graft/text';
import { plugin as tuning } from '@graft/tuning';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support';

const EXAMPLES = join(ROOT, 'examples');
/** Parts of other configs, no experiments of their own. */
const PARTS = ['quickstart/base.yaml', 'quickstart/sizes.yaml', 'baselines/base.yaml'];

/** Sweeps, whose configs are listed beside them. */
const SWEEPS = ['baselines/baselines.yaml', 'sweeps/learning-rates.yaml'];

/** Configs of `graft evaluate`. */
const EVALUATIONS = [
  'quickstart/superglue.yaml',
  'superglue.yaml',
  'superglue-leaderboard.yaml',
  'evaluation/evaluation.yaml',
];
const plugins = [gemma, scratch, objectives, optimizers, text, superglue, benchmarks, tuning];

const files = ['', 'quickstart', 'evaluation', 'tuning', 'baselines', 'sweeps']
  .map((name) => join(EXAMPLES, name))
  .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  .map((file) => file.slice(EXAMPLES.length + 1))
  .filter((name) => name.endsWith('.yaml') && ![...PARTS, ...SWEEPS].includes(name));

describe('the configs of examples/', () => {
  it('at least ten configs are found', () => {
    expect(files.length).toBeGreaterThanOrEqual(10);
  });

  it.each(files)('%s matches every schema', async (name) => {
    const load = EVALUATIONS.includes(name) ? loadEvaluationConfig : loadConfig;
    const { config } = await load({ file: join(EXAMPLES, name), plugins });
    expect(config.name).toMatch(/^[\w-]+$/);
    if (EVALUATIONS.includes(name)) expect(config.evaluators).not.toEqual([]);
    else expect(config.train!.steps).toBeGreaterThan(0);
  });
});
