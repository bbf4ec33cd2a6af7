/** What a run does with its policy for special tokens. */
import { openEngine, type Engine } from '@graft/engine';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeOld } from '../../test/old-snapshots';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import { createLogger } from '../util/logger';
import { runExperiment } from './experiment';

let engine: Engine;
let runs: string;

beforeAll(async () => void (engine = await openEngine({ mode: 'portable' })));
beforeEach(async () => void (runs = await mkdtemp(join(tmpdir(), 'graft-policy-'))));
afterEach(() => rm(runs, { recursive: true, force: true }));

interface Ran {
  readonly folder: string;
  /** Lines of the log that speak of special tokens. */
  readonly logged: readonly string[];
}

async function run(sections: Record<string, unknown>, overrides: string[] = [], resume = false): Promise<Ran> {
  const loaded = await loadConfig({ value: toyConfig(runs, sections), overrides, plugins: [toyPlugin] });
  const logger = createLogger({ level: 'info' });
  const logged: string[] = [];
  logger.info = (line: string) => void (/special tokens/i.test(line) && logged.push(line));
  const { folder } = await runExperiment(loaded, { engine, logger, resume });
  return { folder, logged };
}

type Json = Record<string, unknown>;
const json = async (file: string): Promise<Json> => JSON.parse(await readFile(file, 'utf8')) as Json;
const snapshot = (folder: string, step: number): string => join(folder, 'checkpoints', `step-${step}`, 'config.json');
const READS = 'Special tokens: BOS 1 in front of every sequence; end 2, pad 0';
const EARLIER = 'Special tokens: no BOS; teacher reads no BOS; end 2, pad 0';
const READS_NONE = 'Special tokens: no BOS; end 2, pad 0';

test('the special-token policy is logged and stored in run.json and the checkpoint', async () => {
  const { folder, logged } = await run({ train: { steps: 1 } }, ['specialTokens.decoder.bos=false']);
  expect(logged).toEqual([READS_NONE]);
  const stored = { decoder: { bos: false, eos: 'auto' } };
  expect((await json(join(folder, 'run.json'))).specialTokens).toEqual(stored);
  expect((await json(snapshot(folder, 1))).special_token_policy).toEqual(stored);
  expect((await json(join(folder, 'config.json'))).specialTokens).toEqual({ decoder: { bos: false } });
});

test('a run of an earlier version without a policy continues without a start token', async () => {
  const { folder, logged } = await run({ train: { steps: 1 } });
  expect(logged).toEqual([READS]);
  const { special_token_policy: _, ...earlier } = await json(snapshot(folder, 1));
  await writeFile(snapshot(folder, 1), JSON.stringify(earlier));
  makeOld(dirname(snapshot(folder, 1)));

  const on = await run({ train: { steps: 2 } }, [], true);
  expect(on.logged).toEqual([
    EARLIER,
    'This run began before there was a policy for special tokens; it continues with those it began with.',
  ]);
  const stored = { decoder: { bos: false, eos: 'auto' }, teacher: { bos: false } };
  expect((await json(snapshot(folder, 2))).special_token_policy).toEqual(stored);
  // From now on the checkpoint says it.
  expect((await run({ train: { steps: 3 } }, [], true)).logged).toEqual([EARLIER]);
});

test('a run cannot be resumed with another policy', async () => {
  await run({ train: { steps: 1 } });
  await expect(run({ train: { steps: 2 } }, ['specialTokens.bos=false'], true)).rejects.toThrow(
    /cannot continue with a changed config: specialTokens \(was nothing, is \{"bos":false\}\)/,
  );
});

test.each([
  ['specialTokens.bos=maybe', 'specialTokens.bos: expected one of "auto", true, false, got "maybe"'],
  ['specialTokens.encode.bos=true', 'specialTokens.encode: unknown key; did you mean "encoder"?'],
])('the override --set %s is rejected', async (override, message) => {
  await expect(run({}, [override])).rejects.toThrow(message);
});
