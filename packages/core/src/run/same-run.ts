/** Runs of one config, found again by the hash of what it resolves to. */
import { readJsonObject } from '@graft/checkpoint/internal';
import { messageOf } from '@graft/errors';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { maskedConfig } from '../secrets/mask';
import { isObject } from '../util/objects';
import { stableJson } from '../util/stable-json';
import { listRuns, type RunRecord } from './record';

/** Top-level keys that say where a run is stored, who is informed of it, and what it was computed with. */
export const NOT_HASHED = ['name', 'runs', 'plugins', 'trackers', 'versions'] as const;
/** Hexadecimal digits: enough to tell millions of configs apart. */
const DIGITS = 16;
const LARGEST_CONFIG_BYTES = 2 ** 20;

/**
 * The same for equal configs, resolved or read from a run's config.json: 16 hexadecimal digits of the SHA-256 of every
 * key but `name`, `runs`, `plugins`, `trackers` and `versions`. A secret counts by its source, and a length by the key
 * that gave it: `train.tokens` or `train.epochs`, which config.json keeps in `train.stepsFrom`.
 */
export function configHash(config: object): string {
  const { train, ...masked } = maskedConfig(config) as Readonly<Record<string, unknown>>;
  const own = Object.fromEntries(
    Object.entries(masked).filter(([key]) => !(NOT_HASHED as readonly string[]).includes(key)),
  );
  if (train !== undefined) own.train = asWritten(train);
  return createHash('sha256').update(stableJson(own)).digest('hex').slice(0, DIGITS);
}

/** `train` of a config.json, as the config that it came from had it. */
function asWritten(train: unknown): unknown {
  if (!isObject(train) || !isObject(train.stepsFrom)) return train;
  const { steps, stepsFrom, ...others } = train;
  const { steps: computed, ...written } = stepsFrom as Readonly<Record<string, unknown>>;
  return steps === computed ? { ...others, ...written } : { ...others, steps };
}

/** A run that was found by its config. */
export interface FoundRun {
  readonly id: string;
  readonly folder: string;
  readonly record: RunRecord;
  readonly isFinished: boolean;
}

/** Options of `runsByConfig`. */
export interface RunsByConfigOptions {
  /** Receives a sentence about each run whose files cannot be read. */
  readonly warn?: (sentence: string) => void;
}

/**
 * The runs in the folder of a name by the hash of their configs: for each config its newest finished run, otherwise its
 * newest one.
 */
export async function runsByConfig(
  parent: string,
  { warn }: RunsByConfigOptions = {},
): Promise<ReadonlyMap<string, FoundRun>> {
  const found = new Map<string, FoundRun>();
  for (const { id, record, error } of await listRuns(parent)) {
    const folder = join(parent, id);
    if (!record) {
      warn?.(`${messageOf(error)} It is left out.`);
      continue;
    }
    let config: object;
    try {
      config = await readJsonObject(join(folder, 'config.json'), { maxBytes: LARGEST_CONFIG_BYTES });
    } catch (problem) {
      warn?.(`${messageOf(problem)} The run is left out.`);
      continue;
    }
    const hash = configHash(config);
    const isFinished = record.status === 'finished';
    // Oldest first: a later run replaces an earlier one, unless only the earlier one is finished.
    if (isFinished || !found.get(hash)?.isFinished) found.set(hash, { id, folder, record, isFinished });
  }
  return found;
}

/** The run of this config in the folder of a name: the newest finished one, otherwise the newest. */
export async function findSameRun(
  parent: string,
  config: object,
  options?: RunsByConfigOptions,
): Promise<FoundRun | undefined> {
  return (await runsByConfig(parent, options)).get(configHash(config));
}
