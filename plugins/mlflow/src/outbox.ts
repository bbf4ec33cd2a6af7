import { FileProblem, readJsonFile } from '@graft/core';
import { readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRefusal, type Metric, type MlflowClient, type Parameter } from './client';

/** What one run has to say to the server, and how much of it was said. Plain JSON, so that it can wait in a file. */
export interface Letter {
  experiment: string;
  /** Graft's id of the run. */
  runName: string;
  startTime: number;
  parameters: Parameter[];
  /** Steps of one key only rise. */
  metrics: Metric[];
  /** Set once the server knows the run. */
  runId?: string;
  end?: { status: 'FINISHED' | 'FAILED' | 'KILLED'; time: number };
}

export const OUTBOX_FILE = 'mlflow-outbox.json';
/** Behind the name of an outbox that some process is delivering. */
const CLAIMED = '.sending';
/** A process that takes longer than this has died over it. */
const CLAIM_MS = 600_000;
const METRICS_AT_ONCE = 1000;

/** Sends what is left of a letter, taking off what the server has confirmed. Rejects at the first failure. */
export async function deliver(client: MlflowClient, letter: Letter): Promise<void> {
  letter.runId ??= await introduce(client, letter);
  if (letter.parameters.length > 0) {
    await client.logParameters(letter.runId, letter.parameters);
    letter.parameters = [];
  }
  while (letter.metrics.length > 0) {
    // Metrics may arrive while a request is under way; only what was sent is taken off. Where an answer is lost the same
    // metrics go out again: MLflow keeps one of two with the same key, step, time and value.
    const batch = letter.metrics.slice(0, METRICS_AT_ONCE);
    await client.logMetrics(letter.runId, batch);
    letter.metrics.splice(0, batch.length);
  }
  if (letter.end) {
    await client.finishRun(letter.runId, letter.end.status, letter.end.time);
    delete letter.end;
  }
}

/** The server's id of the letter's run. What the server has of that run already is taken off the letter. */
async function introduce(client: MlflowClient, letter: Letter): Promise<string> {
  const experiment = await client.experiment(letter.experiment);
  const known = await client.findRun(experiment, letter.runName);
  if (!known) return client.createRun(experiment, letter.runName, letter.startTime);
  // Parameters cannot be changed: of a resumed run with another number of steps the first one stays.
  letter.parameters = letter.parameters.filter(({ key }) => !known.parameters.has(key));
  letter.metrics = letter.metrics.filter(({ key, step }) => step > (known.lastSteps.get(key) ?? -1));
  if (!letter.end) await client.reopenRun(known.id);
  return known.id;
}

export function isEmpty({ parameters, metrics, end, runId }: Letter): boolean {
  return runId !== undefined && parameters.length === 0 && metrics.length === 0 && end === undefined;
}

/** Puts a letter into a run's folder, and returns the file. */
export async function store(runFolder: string, letter: Letter): Promise<string> {
  const file = join(runFolder, OUTBOX_FILE);
  await writeFile(`${file}.tmp`, JSON.stringify(letter));
  await rename(`${file}.tmp`, file);
  return file;
}

/** Takes the letter that an earlier part of the run left out of its folder. */
export async function takeStored(runFolder: string): Promise<Letter | undefined> {
  const claimed = await claim(runFolder);
  if (claimed === undefined) return undefined;
  const letter = await readLetter(claimed);
  await rm(claimed, { force: true });
  return letter;
}

/**
 * Delivers what other runs beside this one could not, and removes their files. A letter that the server refuses stays and
 * is handed to `refused`, and the next one has its turn; rejects when the server does not answer.
 */
export async function deliverLeftovers(
  client: MlflowClient,
  runs: string,
  ownFolder: string,
  refused: (error: unknown) => void,
): Promise<void> {
  const folders = await readdir(runs, { withFileTypes: true }).catch(() => []);
  // Not `latest`, a link: a run would be met twice.
  for (const entry of folders.filter((candidate) => candidate.isDirectory())) {
    const folder = join(runs, entry.name);
    const claimed = folder === ownFolder ? undefined : await claim(folder);
    if (claimed === undefined) continue;
    let letter: Letter | undefined;
    try {
      letter = await readLetter(claimed);
      await deliver(client, letter);
    } catch (error) {
      if (letter) await store(folder, letter);
      else await rename(claimed, join(folder, OUTBOX_FILE));
      if (letter && !isRefusal(error)) throw error;
      refused(error);
    } finally {
      await rm(claimed, { force: true });
    }
  }
}

/** The path of a folder's letter, which is this process's from now on: two runs that begin together must not both send it. */
async function claim(folder: string): Promise<string | undefined> {
  const file = join(folder, OUTBOX_FILE);
  const claimed = file + CLAIMED;
  const now = Date.now();
  const earlier = await stat(claimed).catch(() => undefined);
  try {
    if (earlier && now - earlier.mtimeMs > CLAIM_MS) await rename(claimed, file);
    else if (earlier) return undefined;
    await utimes(file, now / 1000, now / 1000);
    await rename(file, claimed);
    return claimed;
  } catch (error) {
    // No letter, or another process was faster.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readLetter(file: string): Promise<Letter> {
  try {
    return (await readJsonFile(file)) as Letter;
  } catch (error) {
    if (error instanceof FileProblem) throw error;
    throw new Error(`${file.slice(0, -CLAIMED.length)} is not JSON; remove it, what it held cannot be read`, {
      cause: error,
    });
  }
}
