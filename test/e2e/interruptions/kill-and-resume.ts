/** Runs of the real command that are killed again and again, and their comparison with one that never was. */
import { createRandom, type RandomStream } from '@graft/core';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { graft, graftSucceeds, readJson, readMetrics, runFolderOf, startGraft, write } from '../support/graft';

/** What a run may be doing when it is killed. */
export const KILL_POINTS = ['set-up', 'step', 'checkpoint', 'evaluation'] as const;
export type KillPoint = (typeof KILL_POINTS)[number];

export const STEPS = 30;
const CHECKPOINT_EVERY = 3;
const EVALUATE_EVERY = 6;

export interface Variant {
  readonly name: string;
  readonly engine: string;
  /** More of the `train` section. */
  readonly train?: string;
}

/** Everything that has a state: shuffled and packed text, random denoisers, dropout, moments, a moving average. */
const config = ({ name, engine, train = '' }: Variant): string => `name: ${name}
seed: 7
model:
  vocabularySize: 320
  encoder: { layers: 1, hidden: 32, feedForward: 64, heads: 2 }
  decoder: { layers: 1, hidden: 32, feedForward: 64, heads: 2 }
  dropout: 0.1
  attentionDropout: 0.1
initializer: { use: scratch }
objective: { use: ul2, sentinels: { count: 40 } }
dataset: &text
  use: text
  files: [text/*.txt]
  tokenizer: bytes
  lengthTokens: 48
  shuffleWindows: 16
  split: { holdOut: 0.2, part: train }
optimizer: { use: adamw, learningRate: 0.003, weightDecay: 0.01, clipNorm: 1 }
schedule: { use: cosine, warmupSteps: 5 }
evaluators:
  - use: loss
    every: ${EVALUATE_EVERY}
    batches: 8
    dataset: { <<: *text, split: { holdOut: 0.2, part: heldOut }, shuffle: false }
train: { steps: ${STEPS}, batchSize: 4, checkpointEvery: ${CHECKPOINT_EVERY}, averageDecay: 0.9${train} }
engine: ${engine}
`;

/** Texts of different lengths, so that windows are cut across them. */
export function writeTexts(folder: string): void {
  const random = createRandom(11).fork('texts');
  const words = ['graft', 'scion', 'stock', 'bark', 'a', 'of', 'the', 'grows', 'upon', 'wood', 'sap', 'bud'];
  for (let file = 0; file < 24; file++) {
    const text = Array.from({ length: 40 + random.integer(120) }, () => words[random.integer(words.length)]).join(' ');
    write(join(folder, 'text', `${file}.txt`), text);
  }
}

/** The run that is never killed. Returns its folder. */
export async function uninterruptedRun(folder: string, variant: Variant): Promise<string> {
  const name = `${variant.name}-whole`;
  write(join(folder, `${name}.yaml`), config({ ...variant, name }));
  return runFolderOf(await graftSucceeds(['run', `${name}.yaml`], folder));
}

const lineCount = (file: string): number => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0);
const names = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** What is seen of a run from outside. */
function observeRun(runs: string): { folder?: string; lines: number; writing: boolean; evaluationPending: boolean } {
  const id = names(runs)
    .filter((name) => /^\d/.test(name))
    .sort()
    .pop();
  if (id === undefined) return { lines: 0, writing: false, evaluationPending: false };
  const folder = join(runs, id);
  const snapshots = names(join(folder, 'checkpoints'));
  const steps = snapshots.flatMap((name) => (name.startsWith('step-') ? [Number(name.slice(5))] : []));
  let evaluated = 0;
  try {
    for (const { step } of readJson<{ step: number }[]>(join(folder, 'evaluations.json'))) evaluated = step;
  } catch {
    // None yet.
  }
  const newest = Math.max(0, ...steps);
  return {
    folder,
    lines: lineCount(join(folder, 'metrics.jsonl')),
    writing: snapshots.some((name) => name.startsWith('.graft-tmp-')),
    evaluationPending: newest > 0 && newest % EVALUATE_EVERY === 0 && evaluated < newest,
  };
}

/** Resolves at a random instant of that kill point; also when the process ends by itself. */
async function untilKillPoint(
  killPoint: KillPoint,
  runs: string,
  random: RandomStream,
  ended: () => boolean,
  /** How long a start takes, in milliseconds. */
  startMs: number,
): Promise<void> {
  if (killPoint === 'set-up') return void (await sleep(random.integer(Math.ceil(startMs))));
  const from = observeRun(runs).lines;
  const began = Date.now();
  const reached = (): boolean => {
    const { lines, writing, evaluationPending } = observeRun(runs);
    if (killPoint === 'checkpoint') return writing && lines !== from;
    if (killPoint === 'evaluation') return evaluationPending && !writing && Date.now() - began > startMs / 2;
    return lines > from && lines >= from + wanted;
  };
  const wanted = 1 + random.integer(6);
  while (!ended() && !reached()) await sleep(1);
  await sleep(random.integer(killPoint === 'step' ? 40 : 12));
  if (killPoint !== 'step') return;
  // Steps take milliseconds here, and the checkpoints after every third of them much longer.
  const isBetweenSteps = (): boolean => {
    const { writing, evaluationPending } = observeRun(runs);
    return !writing && !evaluationPending;
  };
  while (!ended() && !isBetweenSteps()) await sleep(1);
}

export interface Kill {
  readonly planned: KillPoint;
  /** Lines of metrics.jsonl at the kill. */
  readonly lines: number;
  /** Whether a checkpoint was half-written. */
  readonly writing: boolean;
  readonly evaluationPending: boolean;
}

/**
 * Kills a run with SIGKILL at each of these points, resuming it in between, and lets it come to its end. Returns its folder
 * and what each kill met. Instants are drawn from `random`.
 */
export async function killedRun(
  folder: string,
  variant: Variant,
  killPoints: readonly KillPoint[],
  random: RandomStream,
): Promise<{ folder: string; kills: Kill[] }> {
  const file = write(join(folder, `${variant.name}.yaml`), config(variant));
  const runs = join(folder, 'runs', variant.name);
  const kills: Kill[] = [];
  let startMs = 1500;
  for (const planned of killPoints) {
    const resume = hasRun(runs) ? ['--resume'] : [];
    const { child, done } = startGraft(['run', file, ...resume], folder);
    let over = false;
    void done.then(() => (over = true));
    const began = Date.now();
    await untilKillPoint(planned, runs, random, () => over, startMs);
    if (planned === 'step') startMs = Math.min(startMs, Date.now() - began);
    child.kill('SIGKILL');
    const outcome = await done;
    // Not by the signal: it came to its end before the kill point.
    if (outcome.status !== null) {
      if (outcome.status !== 0) throw new Error(`graft run exited with ${outcome.status}:\n${outcome.stderr}`);
      break;
    }
    const { lines, writing, evaluationPending } = observeRun(runs);
    kills.push({ planned, lines, writing, evaluationPending });
  }
  const resume = hasRun(runs) ? ['--resume'] : [];
  const last = await graft(['run', file, ...resume], folder);
  if (last.status !== 0 && !last.stderr.includes('Nothing to resume'))
    throw new Error(`graft run exited with ${last.status}:\n${last.stderr}`);
  return { folder: realpathSync(join(runs, 'latest')), kills };
}

/** A run that was killed before it had a run.json never was one. */
const hasRun = (runs: string): boolean => names(runs).some((id) => existsSync(join(runs, id, 'run.json')));

/** What must be the same, bit for bit, in two runs of one config. */
export function comparableResults(run: string): unknown {
  return {
    metrics: readMetrics(run).map(({ step, loss, gradNorm, learningRate }) => ({ step, loss, gradNorm, learningRate })),
    evaluations: readJson<{ seconds: number }[]>(join(run, 'evaluations.json')).map(({ seconds: _, ...kept }) => kept),
    status: readJson<{ status: string }>(join(run, 'run.json')).status,
    checkpoints: readdirSync(join(run, 'checkpoints')).sort(),
  };
}

/** Files of the two runs' last checkpoints whose bytes differ. */
export function differingFiles(one: string, other: string): string[] {
  const [a, b] = [one, other].map((run) => join(run, 'checkpoints', `step-${STEPS}`));
  const files = (at: string): string[] =>
    readdirSync(at, { recursive: true })
      .map(String)
      .filter((name) => statSync(join(at, name)).isFile())
      .sort();
  const all = [...new Set([...files(a), ...files(b)])];
  return all.filter(
    (name) =>
      !existsSync(join(a, name)) ||
      !existsSync(join(b, name)) ||
      !readFileSync(join(a, name)).equals(readFileSync(join(b, name))),
  );
}

/** What killed processes left behind that nobody will ever use. */
export function leftoverFiles(run: string): string[] {
  return readdirSync(run, { recursive: true })
    .map(String)
    .filter((name) => name.includes('.graft-tmp-'));
}
