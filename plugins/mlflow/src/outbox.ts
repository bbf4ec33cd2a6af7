import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Metric, MlflowClient, Parameter } from './client';

/** What one run has to say to the server, and how much of it was said. Plain JSON, so that it can wait in a file. */
export interface Letter {
  experiment: string;
  runName: string;
  startTime: number;
  parameters: Parameter[];
  metrics: Metric[];
  /** Set once the server knows the run. */
  runId?: string;
  end?: { status: 'FINISHED' | 'FAILED' | 'KILLED'; time: number };
}

/** Sends what is left of a letter, taking off what the server has confirmed. Rejects at the first failure. */
export async function deliver(client: MlflowClient, letter: Letter): Promise<void> {
  letter.runId ??= await client.createRun(await client.experiment(letter.experiment), letter.runName, letter.startTime);
  if (letter.parameters.length > 0) {
    await client.logParameters(letter.runId, letter.parameters);
    letter.parameters = [];
  }
  while (letter.metrics.length > 0) {
    // Metrics may arrive while a request is under way; only what was sent is taken off.
    const batch = letter.metrics.slice(0, 1000);
    await client.logMetrics(letter.runId, batch);
    letter.metrics.splice(0, batch.length);
  }
  if (letter.end) {
    await client.finishRun(letter.runId, letter.end.status, letter.end.time);
    delete letter.end;
  }
}

export function isEmpty({ parameters, metrics, end, runId }: Letter): boolean {
  return runId !== undefined && parameters.length === 0 && metrics.length === 0 && end === undefined;
}

export async function store(file: string, letter: Letter): Promise<void> {
  await writeFile(`${file}.tmp`, JSON.stringify(letter));
  await rename(`${file}.tmp`, file);
}

/** Delivers a letter that an earlier run left, and removes its file. */
export async function deliverStored(client: MlflowClient, file: string): Promise<void> {
  const letter = JSON.parse(await readFile(file, 'utf8')) as Letter;
  try {
    await deliver(client, letter);
  } catch (error) {
    await store(file, letter);
    throw error;
  }
  await rm(file, { force: true });
}
