import { listRuns, silentLogger } from '@graft/core';
import { openEngine, type Engine } from '@graft/engine';
import * as gemma from '@graft/gemma';
import * as objectives from '@graft/objectives';
import * as optimizers from '@graft/optimizers';
import * as scratch from '@graft/scratch';
import * as superglue from '@graft/superglue';
import { writeSyntheticBenchmark } from '@graft/superglue';
import * as text from '@graft/text';
import { temporaryFolder } from '@graft/test-support';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ARMS, usualArms, type Arm, type ModelName } from './arms';
import { evaluateStart, runArm, type Story } from './arm-runs';
import { measureArm, measuredFile } from './measure';
import { prepareRows, type ModelPlaces } from './prepare';
import { parseSettings, type Settings } from './settings';
import { readJson } from './stored';
import { runStory, type StoryOptions } from './story';
import { newestStory, storyTable } from './table';
import { writeModels, writeTexts } from './test-support/stand-ins';

const plugins = [gemma, objectives, optimizers, scratch, superglue, text].map(({ plugin }) => plugin);
const folder = temporaryFolder();
const logger = silentLogger();
/** Sixteen tokens a side, of models of a few thousand parameters. */
const SMALL = [
  'train.precision=float32',
  'train.batchSize=2',
  'train.loader.threads=0',
  'objective.padToMultipleOf=16',
];
const FEW_EPOCHS = ['--set', 'superglue.evaluators.0.epochs=1', '--set', 'superglue.evaluators.0.maxTokens=200'];
const NAMES = ['gemma-continued', 'unbalanced'];

let engine: Engine;
let models: ModelPlaces;
let texts: string;
let options: StoryOptions;
const printed: string[] = [];

const settingsOf = (...args: string[]): Settings =>
  parseSettings([
    '--out',
    join(folder, 'out'),
    '--held-out-rows',
    '4',
    ...args,
    ...SMALL.flatMap((set) => ['--set', set]),
  ])!;

beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
  texts = writeTexts(join(folder, 'texts'));
  models = await writeModels(folder, texts);
  options = {
    engine,
    models,
    plugins,
    texts: [texts],
    logger,
    print: (line) => void printed.push(line),
    rowTokens: 16,
  };
});

describe('the story', () => {
  it('trains every arm for as many steps, compares nats per byte, fine-tunes, and has nothing left to do the second time', async () => {
    const benchmark = join(folder, 'superglue');
    await writeSyntheticBenchmark(benchmark, { seed: 0, trainRows: 8, valRows: 4 });
    for (const task of readdirSync(benchmark)) if (task !== 'CB') rmSync(join(benchmark, task), { recursive: true });
    const settings = settingsOf('--tokens', '300', '--arms', NAMES.join(), '--superglue', benchmark, ...FEW_EPOCHS);
    const first = (await runStory(settings, options))!;
    expect(first.steps).toBeGreaterThanOrEqual(5);
    for (const name of NAMES) {
      const [{ record }] = await listRuns(join(first.folder, name));
      expect(record).toMatchObject({ status: 'finished', steps: first.steps });
    }
    const table = printed.join('\n');
    // From a uniform guess: about log(300) nats for each token of a few bytes.
    const losses = table.slice(0, table.indexOf('SuperGLUE'));
    const rows = [...losses.matchAll(/^\| (Gemma[^|]*) \|.*\|\s+([\d.]+) \|$/gm)];
    expect(rows.map(([, title]) => title.trim())).toEqual(
      NAMES.map((name) => ARMS.find((arm) => arm.name === name)!.title),
    );
    for (const [, , loss] of rows) expect(Number(loss)).toBeGreaterThan(0.5);
    expect(table).toContain('unbalanced: ');
    // The other tasks have no rows.
    expect(table).toMatch(/^\| model +\| +cb \| +mean \|$/m);
    expect(table.replaceAll('\n', ' ')).toContain('Not measured: copa, wsc, rte, wic, boolq, multirc.');
    expect(await storyTable(await newestStory(join(folder, 'out', 'data')))).toBe(printed[0]);

    const again = (await runStory(settings, options))!;
    expect(again).toEqual(first);
    for (const name of NAMES) expect(await listRuns(join(first.folder, name))).toHaveLength(1);
  });

  it('arms are measured by the evaluation that they need anyway and by three steps, once for models of one size', async () => {
    const rows = await prepareRows({ ...options, out: join(folder, 'out'), texts: [texts], models, logger });
    const signal = new AbortController().signal;
    const story: Story = {
      ...{ engine, logger, signal, rows, models, plugins, overrides: SMALL },
      folder: join(folder, 'measured', 'story'),
    };
    const armOf = (name: string): Arm => ARMS.find((arm) => arm.name === name)!;
    const known = async (): Promise<number> => Object.keys((await readJson(measuredFile(story))) as object).length;
    const adapted = (await measureArm(story, armOf('gemma-adapted')))!;
    for (const seconds of Object.values(adapted)) expect(seconds).toBeGreaterThan(0);
    expect(await known()).toBe(1);
    const scratch = (await measureArm(story, armOf('gemma-scratch')))!;
    expect(await known()).toBe(1);
    expect(scratch).toMatchObject({ stepSeconds: adapted.stepSeconds, overheadSeconds: adapted.overheadSeconds });
    await measureArm(story, armOf('unbalanced'));
    expect(await known()).toBe(2);
    // What is left are the evaluations before the first step, which the training finds again.
    expect(readdirSync(story.folder).sort()).toEqual(
      ['gemma-adapted', 'gemma-scratch', 'unbalanced'].map((name) => `${name}-evaluation`),
    );
    await evaluateStart(story, armOf('gemma-adapted'));
    expect(await listRuns(join(story.folder, 'gemma-adapted-evaluation'))).toHaveLength(1);
  });

  it('a stopped arm continues from its checkpoint, and another config is another run', async () => {
    const arm = ARMS.find(({ name }) => name === 'gemma-scratch')!;
    const rows = await prepareRows({
      ...options,
      out: join(folder, 'out'),
      texts: [texts],
      models,
      logger,
    });
    const parent = join(folder, 'stopped');
    const stop = new AbortController();
    const story: Story = {
      engine,
      logger,
      signal: stop.signal,
      folder: parent,
      rows,
      models,
      plugins,
      overrides: SMALL,
    };
    stop.abort();
    expect(await runArm(story, arm, { steps: 5 })).toBeUndefined();
    const run = await runArm({ ...story, signal: new AbortController().signal }, arm, { steps: 5 });
    const [only, ...others] = await listRuns(join(parent, arm.name));
    expect(others).toEqual([]);
    expect(run).toBe(join(parent, arm.name, only.id));
    expect(only.record).toMatchObject({ status: 'finished', steps: 5 });
    const other = { ...story, overrides: [...SMALL, 'seed=1'], signal: new AbortController().signal };
    expect(await runArm(other, arm, { steps: 5 })).not.toBe(run);
  });
});

describe('the arms', () => {
  it('without Gemma, the arms are those of SmolLM2; an arm that is named needs its models', async () => {
    const smollm2 = new Map([...models].filter(([name]) => name === 'smollm2-135m-instruct'));
    expect(usualArms(new Set<ModelName>(smollm2.keys())).map(({ name }) => name)).toEqual(
      ['continued', 'scratch', 'adapted', 'preserving'].map((way) => `smollm2-${way}`),
    );
    await expect(runStory(settingsOf('--arms', 'unbalanced'), { ...options, models: smollm2 })).rejects.toMatchObject({
      code: 'real.model-missing',
      message: 'The arm unbalanced needs gemma-3-270m, which has not been fetched.',
    });
  });
});
