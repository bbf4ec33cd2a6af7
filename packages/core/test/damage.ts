/** Checkpoints that are damaged in every way that a disk, a copy or a power cut knows, and what a resume makes of them. */
import { CheckpointReader, type CheckpointContents } from '@graft/checkpoint';
import { averageFolder, loadSnapshotState, openSnapshotOptimizer, saveSnapshot } from '@graft/checkpoint/internal';
import { openEngine, tf } from '@graft/engine';
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadConfig, silentLogger, type TrainingConfig, type RandomStream } from '../src';
import { runExperiment, type RunOptions } from '../src/run/experiment';
import { RunFolder } from '../src/run/folder';
import { checkResumePoint } from '../src/run/check-resume-point';
import { findSnapshot, readAverage, readingSnapshot, readOptimizerState, readParameters } from '../src/run/snapshots';
import { toyConfig, toyModel, toyPlugin } from './toy-plugin';

/** A way to damage the newest checkpoint. Returns what was done, in words, or undefined where nothing changed. */
type Damage = (target: Target, random: RandomStream) => string | undefined;

interface Target {
  /** The newest checkpoint, and the one before it. */
  readonly newest: string;
  readonly older: string;
  /** Names of the files in both, longest first. */
  readonly files: readonly string[];
}

const pick = <T>(random: RandomStream, from: readonly T[]): T => from[random.integer(from.length)];

/** Writes what `change` makes of a file's bytes, unless they are the same. */
function change(file: string, make: (bytes: Buffer) => Buffer): boolean {
  const before = readFileSync(file);
  const after = make(Buffer.from(before));
  if (after.equals(before)) return false;
  writeFileSync(file, after);
  return true;
}

export function flipBit({ newest }: Pick<Target, 'newest'>, name: string, byte: number, bit: number): string {
  change(join(newest, name), (bytes) => {
    bytes[byte] ^= 1 << bit;
    return bytes;
  });
  return `bit ${bit} of byte ${byte} of ${name}`;
}

const copyOver = (from: string, to: string): boolean => change(to, () => readFileSync(from));

export const DAMAGES: Readonly<Record<string, Damage>> = {
  bit: (target, random) => {
    const name = pick(random, target.files);
    const { size } = statSync(join(target.newest, name));
    return flipBit(target, name, random.integer(size), random.integer(8));
  },
  'a bit of a header': (target, random) => {
    const name = pick(
      random,
      target.files.filter((file) => file.endsWith('.safetensors')),
    );
    const length = Number(readFileSync(join(target.newest, name)).readBigUInt64LE(0));
    return flipBit(target, name, random.integer(8 + length), random.integer(8));
  },
  'a page of zeros': ({ newest, files }, random) => {
    const name = pick(random, files);
    const { size } = statSync(join(newest, name));
    const page = pick(random, [64, 512, 4096]);
    const at = random.integer(Math.ceil(size / page)) * page;
    return change(join(newest, name), (bytes) => bytes.fill(0, at, Math.min(at + page, size)))
      ? `zeros in ${name} at ${at}`
      : undefined;
  },
  'two pages that changed places': ({ newest, files }, random) => {
    const name = pick(random, files);
    const page = pick(random, [16, 64, 512, 4096]);
    const pages = Math.floor(statSync(join(newest, name)).size / page);
    if (pages < 2) return undefined;
    const [one, two] = [random.integer(pages) * page, random.integer(pages) * page];
    const swap = (bytes: Buffer): Buffer => {
      const kept = Buffer.from(bytes.subarray(one, one + page));
      bytes.copyWithin(one, two, two + page);
      kept.copy(bytes, two);
      return bytes;
    };
    return change(join(newest, name), swap) ? `pages at ${one} and ${two} of ${name}` : undefined;
  },
  'an end that is cut': ({ newest, files }, random) => {
    const name = pick(random, files);
    const { size } = statSync(join(newest, name));
    const kept = random.integer(size);
    return change(join(newest, name), (bytes) => bytes.subarray(0, kept)) ? `${name} cut to ${kept}` : undefined;
  },
  'more at the end': ({ newest, files }, random) => {
    const name = pick(random, files);
    const more = Buffer.from(pick(random, ['\n', ' ', '\0', '{}', '\0'.repeat(4096)]));
    return change(join(newest, name), (bytes) => Buffer.concat([bytes, more])) ? `more behind ${name}` : undefined;
  },
  'a file of another step': ({ newest, older, files }, random) => {
    const name = pick(random, files);
    return copyOver(join(older, name), join(newest, name)) ? `${name} of the checkpoint before` : undefined;
  },
  'a file in the place of another': ({ newest, files }, random) => {
    const [from, to] = [pick(random, files), pick(random, files)];
    return copyOver(join(newest, from), join(newest, to)) ? `${from} as ${to}` : undefined;
  },
  'a file that is gone': ({ newest, files }, random) => {
    const name = pick(random, files);
    rmSync(join(newest, name));
    return `no ${name}`;
  },
};

/** A run with two checkpoints, which is resumed over and over. */
export class Victim {
  readonly target: Target;
  private readonly backup: string;

  private constructor(
    private readonly folder: string,
    /** The whole command, in this process. */
    private readonly resume: () => Promise<unknown>,
    /** What of it reads the checkpoint. */
    private readonly read: () => Promise<void>,
    newest: string,
    older: string,
    root: string,
  ) {
    const files = readdirSync(newest, { recursive: true })
      .map(String)
      .filter((name) => statSync(join(newest, name)).isFile());
    this.target = { newest, older, files };
    this.backup = join(root, 'backup');
    cpSync(newest, this.backup, { recursive: true });
  }

  /** `width`: parameters of the model; every one of them is there four times. */
  static async make(root: string, width: number): Promise<Victim> {
    const engine = await openEngine({ mode: 'portable' });
    const value = toyConfig(join(root, 'runs'), {
      model: { use: 'linear', width },
      dataset: { use: 'points', width },
      // This many parameters would diverge at the toy's own rate.
      optimizer: { use: 'momentum', learningRate: 1e-5 },
      train: { steps: 6, batchSize: 1, checkpointEvery: 2, averageDecay: 0.9 },
    });
    const loaded = await loadConfig({ value, plugins: [toyPlugin] });
    const started = new AbortController();
    const options: RunOptions = { engine, signal: started.signal, onStep: (step) => step === 4 && started.abort() };
    const { folder, id } = await runExperiment(loaded, options);
    // It ends before its first step: what it read is all that it did.
    const signal = AbortSignal.abort();
    const resume = (): Promise<unknown> => runExperiment(loaded, { engine, resume: id, signal });
    const [older, newest] = [2, 4].map((step) => join(folder, 'checkpoints', `step-${step}`));
    for (const snapshot of [older, newest]) await addFiles(snapshot, root);
    const read = (): Promise<void> => readAsResumed(folder, loaded.config as TrainingConfig, width);
    return new Victim(folder, resume, read, newest, older, root);
  }

  /** Undoes what was done to the newest checkpoint. */
  restore(): void {
    rmSync(this.target.newest, { recursive: true });
    cpSync(this.backup, this.target.newest, { recursive: true });
  }

  /** The sentence with which a resume refuses the checkpoint; undefined where it goes on from it. */
  async notices(how: 'resume' | 'read'): Promise<string | undefined> {
    return this[how]().then(
      () => undefined,
      (error: Error) => error.message,
    );
  }

  /** Damages the newest checkpoint, resumes, and undoes it. Returns what was wrong with that; nothing if it was noticed. */
  async suffer(
    how: 'resume' | 'read',
    damage: (target: Target) => string | undefined,
  ): Promise<{ done: boolean; problem?: string }> {
    const what = damage(this.target);
    if (what === undefined) return { done: false };
    const metrics = readFileSync(join(this.folder, 'metrics.jsonl'));
    const sentence = await this.notices(how);
    this.restore();
    if (sentence === undefined) return { done: true, problem: `${what}: not noticed` };
    if (!sentence.includes('; the run can continue from step-2.'))
      return { done: true, problem: `${what}: ${sentence}` };
    if (!readFileSync(join(this.folder, 'metrics.jsonl')).equals(metrics))
      return { done: true, problem: `${what}: metrics.jsonl was changed` };
    return { done: true };
  }
}

/** The functions that a resume calls, in its order, without claiming the run: each claim waits for the disk. */
async function readAsResumed(path: string, config: TrainingConfig, width: number): Promise<void> {
  await checkResumePoint(await RunFolder.open(path), config, silentLogger());
  const expected = { seed: config.seed, steps: config.train.steps };
  const { folder } = (await findSnapshot(join(path, 'checkpoints'), expected))!;
  await readingSnapshot(folder, async () => {
    const read: tf.TensorContainer[] = [];
    try {
      const parameters = await readParameters(folder, toyModel(width));
      read.push(parameters);
      const fresh = { 'momentum.updates': tf.scalar(0, 'int32') } as Record<string, tf.Tensor>;
      for (const [name, { shape }] of Object.entries(parameters)) fresh[`momentum/${name}`] = tf.zeros(shape);
      read.push(await readOptimizerState(folder, fresh), (await readAverage(folder, toyModel(width)))!);
    } finally {
      tf.dispose(read);
    }
  });
}

/** Writes a snapshot again, with the files beside it that a real model's has. */
async function addFiles(snapshot: string, root: string): Promise<void> {
  const readers = [CheckpointReader.open(snapshot), CheckpointReader.open(averageFolder(snapshot))];
  const [model, average] = await Promise.all(readers);
  const optimizer = await openSnapshotOptimizer(snapshot);
  const contents = async (reader: CheckpointReader): Promise<CheckpointContents> => ({
    config: await reader.config(),
    generationConfig: { eos_token_id: [2] },
    tensors: [...reader.tensors.keys()].map((name) => reader.source(name)),
    extraFiles: { 'tokenizer.json': '{"model": {"vocab": {"a": 0}}}', 'graft.json': '{"made": {"by": "a test"}}' },
  });
  const copy = join(root, 'again', basename(snapshot));
  rmSync(join(root, 'again'), { recursive: true, force: true });
  cpSync(snapshot, copy, { recursive: true });
  await saveSnapshot(copy, {
    model: await contents(model),
    average: await contents(average),
    optimizer: [...optimizer.tensors.keys()].map((name) => optimizer.source(name)),
    state: await loadSnapshotState(snapshot),
  });
  for (const reader of [model, average, optimizer]) await reader.close();
  rmSync(snapshot, { recursive: true });
  cpSync(copy, snapshot, { recursive: true });
}
