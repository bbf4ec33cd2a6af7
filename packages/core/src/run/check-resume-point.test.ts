import { listSnapshots } from '@graft/checkpoint';
import { saveSnapshot } from '@graft/checkpoint/internal';
import { openEngine, tf, type Engine } from '@graft/engine';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { makeOld } from '../../test/old-snapshots';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import { silentLogger, type Logger } from '../util/logger';
import { runExperiment, type RunOptions, type RunResult } from './experiment';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
});

const TRAIN = { steps: 10, checkpointEvery: 2, averageDecay: 0.9, keepCheckpoints: 3 };

async function run(runs: string, options: RunOptions = {}, train: object = {}): Promise<RunResult> {
  const value = toyConfig(runs, { train: { ...TRAIN, ...train } });
  return runExperiment(await loadConfig({ value, plugins: [toyPlugin] }), { engine, ...options });
}

/** A run that was stopped after six steps and has the checkpoints step-2, step-4 and step-6. */
async function stopped(train: object = {}): Promise<{ runs: string; folder: string; id: string }> {
  const runs = temporaryFolder();
  const controller = new AbortController();
  const onStep = (step: number): void => void (step === 6 && controller.abort());
  const { folder, id } = await run(runs, { signal: controller.signal, onStep }, train);
  expect((await listSnapshots(join(folder, 'checkpoints'))).map(({ step }) => step)).toEqual([2, 4, 6]);
  return { runs, folder, id };
}

const losses = (folder: string): unknown[] =>
  readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { loss: number }).loss);
const edit = (file: string, change: (text: string) => string): void =>
  writeFileSync(file, change(readFileSync(file, 'utf8')));
const files = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true })
      .map(String)
      .filter((name) => !/^(run\.json|log\.txt|\.graft-lock.*)$/.test(name) && statSync(join(folder, name)).isFile())
      .map((name) => [name, readFileSync(join(folder, name), 'base64')]),
  );

function recordingLogger(): { logger: Logger; warnings: string[] } {
  const warnings: string[] = [];
  const logger = Object.assign(silentLogger(), { warn: (text: string) => void warnings.push(text) });
  return { logger, warnings };
}

/** A flipped bit, at a place from the file's end. */
function flip(file: string, fromEnd: number): void {
  const bytes = readFileSync(file);
  bytes[bytes.length - 1 - fromEnd] ^= 4;
  writeFileSync(file, bytes);
}

const DAMAGE: Record<string, (newest: string) => void> = {
  'a bit of the model': (at) => flip(join(at, 'model.safetensors'), 3),
  'a bit of the optimizer': (at) => flip(join(at, 'optimizer.safetensors'), 3),
  'a bit of the moving average': (at) => flip(join(at, 'average', 'model.safetensors'), 3),
  'a bit of trainer.json': (at) => flip(join(at, 'trainer.json'), 20),
  'a bit of the manifest': (at) => flip(join(at, 'manifest.json'), 20),
  'a bit of config.json': (at) => flip(join(at, 'config.json'), 5),
  'zeros, as a power cut leaves them': (at) => {
    const file = join(at, 'model.safetensors');
    writeFileSync(file, Buffer.alloc(statSync(file).size));
  },
  'a file that is gone': (at) => rmSync(join(at, 'optimizer.safetensors')),
  'the average of another step': (at) =>
    cpSync(join(at, '..', 'step-4', 'average'), join(at, 'average'), { recursive: true }),
  'another step’s files': (at) => cpSync(join(at, '..', 'step-4'), at, { recursive: true }),
};

describe('a damaged newest checkpoint', () => {
  let whole: unknown[];
  beforeAll(async () => {
    whole = losses((await run(temporaryFolder())).folder);
  });

  it.each(Object.keys(DAMAGE))(
    'the error names the damaged checkpoint and the older one, from which --from-last-good resumes: %s',
    async (name) => {
      const { runs, folder, id } = await stopped();
      const newest = join(folder, 'checkpoints', 'step-6');
      DAMAGE[name](newest);
      const before = files(folder);
      const tensors = tf.memory().numTensors;
      const error = await failureOf(run(runs, { resume: true }));
      expect(tf.memory().numTensors).toBe(tensors);
      expect(error.message).toContain(newest);
      expect(error.message).toMatch(/; the run can continue from step-4\.$/);
      expect(error.hint).toBe(
        `The same command with --resume ${id} --from-last-good checks every byte, and continues from the newest undamaged checkpoint.`,
      );
      expect(files(folder)).toEqual(before);

      const { logger, warnings } = recordingLogger();
      expect(await run(runs, { resume: id, fromLastGood: true, logger })).toMatchObject({ folder, steps: 10 });
      expect(warnings[0]).toMatch(/^Skipped step-6: .*It is called step-6\.damaged now; remove it when you like\.$/);
      expect(warnings[1]).toBe('Steps 5 to 6 are done again; metrics.jsonl keeps the 4 before.');
      expect(warnings[2]).toBe(`Every byte of ${join(folder, 'checkpoints', 'step-4')} is as it was written.`);
      expect(losses(folder)).toEqual(whole);
      expect(readdirSync(join(folder, 'checkpoints')).sort()).toEqual([
        'step-10',
        'step-6',
        'step-6.damaged',
        'step-8',
      ]);
    },
  );

  it('the suggested older checkpoint is verified to the last byte', async () => {
    const { runs, folder, id } = await stopped();
    DAMAGE['a bit of the model'](join(folder, 'checkpoints', 'step-6'));
    DAMAGE['a bit of the optimizer'](join(folder, 'checkpoints', 'step-4'));
    expect((await failureOf(run(runs, { resume: id }))).message).toMatch(/; the run can continue from step-2\.$/);
  });

  it('an intact checkpoint beyond the end of metrics.jsonl is set aside as unused, not as damaged', async () => {
    const { runs, folder, id } = await stopped();
    const metrics = join(folder, 'metrics.jsonl');
    writeFileSync(metrics, `${readFileSync(metrics, 'utf8').split('\n').slice(0, 5).join('\n')}\n`);
    const { logger, warnings } = recordingLogger();
    await run(runs, { resume: id, fromLastGood: true, logger });
    expect(warnings[0]).toMatch(/^Skipped step-6: .* ends after 5 lines, .*It is called step-6\.unused now/);
    expect(warnings[1]).toBe('Step 5 is done again; metrics.jsonl keeps the 4 before.');
    expect(losses(folder)).toEqual(whole);
  });

  it('nothing is set aside when no checkpoint is intact', async () => {
    const { runs, folder, id } = await stopped();
    for (const step of [2, 4, 6]) DAMAGE['a bit of the optimizer'](join(folder, 'checkpoints', `step-${step}`));
    const before = files(folder);
    const error = await failureOf(run(runs, { resume: id, fromLastGood: true }));
    expect(error.code).toBe('run.no-good-checkpoint');
    expect(error.message).toMatch(/step-6.*optimizer.*; .*step-4.*optimizer.*; .*step-2.*optimizer/);
    expect(files(folder)).toEqual(before);
  });

  it('--from-last-good resumes from an intact newest checkpoint like --resume', async () => {
    const { runs, folder } = await stopped();
    const { logger, warnings } = recordingLogger();
    await run(runs, { resume: true, fromLastGood: true, logger });
    expect(warnings.slice(0, 1)).toEqual([
      `Every byte of ${join(folder, 'checkpoints', 'step-6')} is as it was written.`,
    ]);
    expect(losses(folder)).toEqual(whole);
  });

  it('a checkpoint that is set aside does not replace an earlier one of that name', async () => {
    const { runs, folder, id } = await stopped();
    const at = join(folder, 'checkpoints', 'step-6');
    cpSync(at, `${at}.damaged`, { recursive: true });
    DAMAGE['a bit of the model'](at);
    await run(runs, { resume: id, fromLastGood: true });
    expect(existsSync(`${at}.damaged-2`)).toBe(true);
  });
});

describe('a run that contradicts its checkpoint', () => {
  it('missing, truncated or shifted metrics stop the resume and stay unchanged', async () => {
    const { runs, folder, id } = await stopped();
    const file = join(folder, 'metrics.jsonl');
    const text = readFileSync(file, 'utf8');
    const lines = text.trimEnd().split('\n');
    const changed: [string | undefined, RegExp, string?][] = [
      [undefined, /ends after 0 lines, .* after 6 steps; the run has no other undamaged one\.$/],
      ['', /ends after 0 lines/],
      [`${lines.slice(0, 5).join('\n')}\n`, /ends after 5 lines, .*; the run can continue from step-4\.$/, 'step-4'],
      [
        `${lines.slice(1).join('\n')}\n${lines[5]}\n{}\n`,
        /Line 1 of .* is not that of step 1; the checkpoint was written after 6 steps; the run has no other undamaged one\.$/,
      ],
      [`${lines.slice(0, 5).join('\n')}\n{"step":\n`, /Line 6 of .* is not that of step 6/],
    ];
    for (const [content, message, next] of changed) {
      if (content === undefined) rmSync(file);
      else writeFileSync(file, content);
      const error = await failureOf(run(runs, { resume: id }));
      expect(error.message).toMatch(message);
      expect(error.hint?.includes('--from-last-good')).toBe(
        next !== undefined || error.message.includes('can continue'),
      );
      if (content !== undefined) expect(readFileSync(file, 'utf8')).toBe(content);
    }
    writeFileSync(file, text);
    expect(await run(runs, { resume: id })).toMatchObject({ steps: 10 });
  });

  it('a trainer.json that contradicts the run is rejected with the field', async () => {
    const { folder, runs, id } = await stopped();
    const at = join(folder, 'checkpoints', 'step-6');
    const state = JSON.parse(readFileSync(join(at, 'trainer.json'), 'utf8')) as { state: Record<string, unknown> };
    const wrong: [Record<string, unknown>, RegExp][] = [
      [{ step: 5 }, /trainer\.json is that of step 5; the run can continue from step-4/],
      [{ step: '6' }, /trainer\.json has no valid "state\.step"/],
      [{ seed: 8 }, /trainer\.json has the seed 8, but the run's is 0/],
      [{ metricsLines: 4 }, /trainer\.json counts 4 lines of metrics after 6 steps/],
      [{ metricsLines: undefined }, /trainer\.json has no valid "state\.metricsLines"/],
      [{ data: undefined }, /trainer\.json has no valid "state\.data"/],
      [{ more: 1 }, /trainer\.json has no valid "state"/],
    ];
    for (const [change, message] of wrong) {
      // With digests of its own, so that nothing but its contents is wrong.
      await saveSnapshot(at, {
        model: { config: {}, tensors: [] },
        optimizer: [],
        state: { ...state.state, ...change },
      });
      expect((await failureOf(run(runs, { resume: id }))).message).toMatch(message);
    }
  });

  it('a missing checkpoint that run.json counts stops the resume', async () => {
    const { folder, runs, id } = await stopped();
    const at = join(folder, 'checkpoints', 'step-6');
    renameSync(at, join(folder, 'elsewhere'));
    const error = await failureOf(run(runs, { resume: id }));
    expect(error).toMatchObject({ code: 'run.checkpoint-lost' });
    expect(error.message).toMatch(
      /^The checkpoint after step 6, .* no longer exists: .*step-4; the run can continue from step-4\.$/,
    );
    expect(await run(runs, { resume: id, fromLastGood: true })).toMatchObject({ steps: 10 });
  });

  it('a run that lost all checkpoints does not start over, but one that never had any does', async () => {
    const { folder, runs, id } = await stopped();
    const metrics = readFileSync(join(folder, 'metrics.jsonl'), 'utf8');
    rmSync(join(folder, 'checkpoints'), { recursive: true });
    const lost = `The run ${folder} lost its checkpoints, and would start over:`;
    for (const fromLastGood of [false, true])
      expect((await failureOf(run(runs, { resume: id, fromLastGood }))).message).toBe(
        `${lost} run.json counts 6 steps.`,
      );
    // As a run before it counted checkpoints left it.
    edit(join(folder, 'run.json'), (text) => text.replace('"steps": 6', '"steps": 0'));
    expect((await failureOf(run(runs, { resume: id }))).message).toBe(`${lost} metrics.jsonl has 6 steps.`);
    expect(readFileSync(join(folder, 'metrics.jsonl'), 'utf8')).toBe(metrics);
    // Killed in its second step, before its first checkpoint.
    writeFileSync(join(folder, 'metrics.jsonl'), metrics.split('\n').slice(0, 2).join('\n'));
    expect(await run(runs, { resume: id })).toMatchObject({ folder, steps: 10 });
  });
});

it('a checkpoint without digests is read, with one warning that it is not checked', async () => {
  const { folder, runs, id } = await stopped();
  const at = join(folder, 'checkpoints', 'step-6');
  makeOld(at);
  const { logger, warnings } = recordingLogger();
  expect(await run(runs, { resume: id, logger })).toMatchObject({ steps: 10 });
  expect(warnings.slice(0, 1)).toEqual([
    `${at} was written before checkpoints had digests: its bytes are not checked.`,
  ]);
});
