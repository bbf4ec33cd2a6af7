import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT, SHARED } from '../../support';

const BINARY = join(ROOT, 'packages', 'cli', 'bin', 'graft.js');

export interface Outcome {
  /** null: ended by a signal. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartedCommand {
  readonly child: ChildProcess;
  readonly done: Promise<Outcome>;
}

export type Environment = Readonly<Record<string, string>>;

/** Starts the built command, as a user would. `environment`: beside this process's own. */
export function startGraft(args: readonly string[], cwd: string, environment: Environment = {}): StartedCommand {
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, [BINARY, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
  const done = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
  return { child, done };
}

export function graft(args: readonly string[], cwd: string, environment?: Environment): Promise<Outcome> {
  return startGraft(args, cwd, environment).done;
}

/** Runs a command that must succeed; its standard error is in the failure's message. */
export async function graftSucceeds(args: readonly string[], cwd: string, environment?: Environment): Promise<Outcome> {
  return expectSuccess(args, await graft(args, cwd, environment));
}

export function expectSuccess(args: readonly string[], outcome: Outcome): Outcome {
  if (outcome.status !== 0)
    throw new Error(`graft ${args.join(' ')} exited with ${outcome.status}:\n${outcome.stderr}`);
  return outcome;
}

/** A fixture of the repository, or of the folder beside it from which the repository's were copied. */
export function fixture(...path: string[]): string {
  const own = join(ROOT, 'test', 'golden', 'fixtures', ...path);
  if (existsSync(own) || SHARED === undefined) return own;
  return join(SHARED, 'fixtures', ...path);
}

export function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

export interface MetricsLine {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly learningRate: number;
  readonly tokensPerSecond: number;
  /** Of steps that had to be compiled. */
  readonly compileSeconds?: number;
}

export function readMetrics(runFolder: string): MetricsLine[] {
  const text = readFileSync(join(runFolder, 'metrics.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as MetricsLine);
}

/** Waits until a run has written this many lines of metrics. */
export async function metricsReach(runFolder: string, lines: number): Promise<void> {
  const file = join(runFolder, 'metrics.jsonl');
  for (let waited = 0; waited < 1200; waited++) {
    if (existsSync(file) && readFileSync(file, 'utf8').split('\n').length > lines) return;
    await sleep(50);
  }
  throw new Error(`${file} has not got ${lines} lines.`);
}

/** The run's folder is the last line on standard output. */
export function runFolderOf({ stdout }: Outcome): string {
  return stdout.trimEnd().split('\n').pop() ?? '';
}

export function write(file: string, content: string | Uint8Array): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

/** The section of a config for a model of bytes that trains in no time. */
export const TINY_MODEL = `model:
  vocabularySize: 260
  encoder: { layers: 1, hidden: 16, feedForward: 16, heads: 2 }
  decoder: { layers: 1, hidden: 16, feedForward: 16, heads: 2 }`;

/** A prefix-lm of one layer a side on `text.txt`; `train`: its settings besides a batch size of 2, without data threads. */
export const tinyTextConfig = (name: string, train: string): string => `name: ${name}
model:
  vocabularySize: 260
  encoder: { layers: 1, hidden: 16, feedForward: 32, heads: 2 }
  decoder: { layers: 1, hidden: 16, feedForward: 32, heads: 2 }
initializer: { use: scratch }
objective: { use: prefix-lm, padToMultipleOf: 8 }
dataset: { use: text, files: [text.txt], tokenizer: bytes, lengthTokens: 32 }
optimizer: { use: adamw, learningRate: 0.001 }
train: { batchSize: 2, loader: { threads: 0 }, ${train} }
`;

/** The head of a plugin outside the repository: what it requires, and a field of a row of numbers. */
export const PLUGIN_HEAD = `const { defineComponent, definePlugin } = require(${JSON.stringify(join(ROOT, 'packages', 'core'))});
const { z } = require(${JSON.stringify(join(ROOT, 'node_modules', 'zod'))});
const field = (values) => ({ dtype: 'int32', shape: [values.length], values: Int32Array.from(values) });`;

/** The published trajectory as a config: ten AdamW steps from the adapted checkpoint. */
export function trajectoryConfig(extra = ''): string {
  return `name: trajectory
model: { encoderWindow: inclusive }
initializer: { use: load, path: ${fixture('t5gemma-tiny-balanced')} }
objective: { use: seq2seq }
dataset: { use: tensors, file: ${fixture('train-trajectory', 'batches.safetensors')} }
optimizer: { use: adamw, learningRate: 0.001, betas: [0.9, 0.95], epsilon: 1.0e-4, weightDecay: 0, clipNorm: 1.0 }
train: { steps: 10, precision: float32 }
${extra}`;
}
