import { parseJson, readTextFile, streamRegularFile } from '@graft/core/internal';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Numbers that a tracker gets in one call. */
export interface LoggedNumbers {
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * The numbers that a resumed run has logged before, from its folder: a process that was killed lost its queue. A
 * truncated line, or a missing file, gives nothing.
 */
export async function* loggedBefore(runFolder: string): AsyncGenerator<LoggedNumbers> {
  for await (const line of linesOf(join(runFolder, 'metrics.jsonl'))) {
    const metrics = parse(line) as ({ readonly step: number } & Record<string, number>) | null | undefined;
    if (typeof metrics?.step === 'number') yield { step: metrics.step, metrics };
  }
  const evaluations = parse(await readTextFile(join(runFolder, 'evaluations.json')).catch(() => ''));
  if (!Array.isArray(evaluations)) return;
  for (const entry of evaluations as (Partial<LoggedNumbers & { readonly evaluator: string }> | null)[]) {
    const { step, evaluator, metrics } = entry ?? {};
    if (typeof step !== 'number' || typeof metrics !== 'object' || metrics === null) continue;
    const named = Object.entries(metrics).map(([key, value]) => [`${evaluator}/${key}`, value] as const);
    yield { step, metrics: Object.fromEntries(named) };
  }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const input = await streamRegularFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  if (!input) return;
  try {
    yield* createInterface({ input, crlfDelay: Infinity });
  } finally {
    input.destroy();
  }
}

function parse(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
