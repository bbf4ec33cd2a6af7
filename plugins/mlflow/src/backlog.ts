import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Numbers that a tracker gets in one call. */
export interface LoggedNumbers {
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * What a run that goes on has logged before, from its folder: a process that was killed took its queue with it. A line
 * that was cut off, or a file that is not there, gives nothing.
 */
export async function* loggedBefore(runFolder: string): AsyncGenerator<LoggedNumbers> {
  for await (const line of linesOf(join(runFolder, 'metrics.jsonl'))) {
    const metrics = parse(line) as { readonly step: number } & Record<string, number>;
    if (typeof metrics?.step === 'number') yield { step: metrics.step, metrics };
  }
  const evaluations = parse(await readFile(join(runFolder, 'evaluations.json'), 'utf8').catch(() => ''));
  if (!Array.isArray(evaluations)) return;
  for (const { step, evaluator, metrics } of evaluations as (LoggedNumbers & { readonly evaluator: string })[]) {
    const named = Object.entries(metrics).map(([key, value]) => [`${evaluator}/${key}`, value] as const);
    yield { step, metrics: Object.fromEntries(named) };
  }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const input = createReadStream(file);
  try {
    yield* createInterface({ input, crlfDelay: Infinity });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    input.destroy();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
