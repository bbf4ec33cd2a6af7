/** The schema of the parts of a run's small files that a report shows: the files are untrusted. */
import { GraftError, readRunRecord, type EvaluationRecord, type RunRecord, fieldProblem } from '@graft/core';
import { JsonProblem, readJsonFile } from '@graft/core/internal';
import { join } from 'node:path';
import { z } from 'zod';

/** Maximum bytes of config.json, which the page contains unchanged. */
const LARGEST_CONFIG_BYTES = 2 ** 20;
const LARGEST_EVALUATIONS_BYTES = 2 ** 25;
/** Maximum number of objects, lists and keys per file. */
const MOST_PARTS = 2 ** 22;
/** Maximum nesting of a config; Graft's own have about ten levels. */
const DEEPEST_CONFIG = 64;
/** Maximum number of evaluations per run, and of different metrics, each of which gets a chart. */
const MOST_EVALUATIONS = 100_000;
const MOST_METRICS = 2000;

const evaluationsSchema = z.array(
  z.looseObject({ step: z.number(), evaluator: z.string(), metrics: z.record(z.string(), z.number().nullable()) }),
);

/**
 * Reads run.json, config.json and evaluations.json in a run's folder. Throws GraftError that names the file and the
 * invalid key.
 */
export async function readRecords(folder: string): Promise<{
  readonly record: RunRecord;
  readonly config: Readonly<Record<string, unknown>>;
  readonly evaluations: readonly EvaluationRecord[];
}> {
  const record = await readRunRecord(folder);
  const configFile = join(folder, 'config.json');
  const config = await read(configFile, z.record(z.string(), z.unknown()), LARGEST_CONFIG_BYTES);
  if (depthOf(config) > DEEPEST_CONFIG)
    throw malformed(configFile, `it has more than ${DEEPEST_CONFIG} objects and lists within each other`);
  const evaluationsFile = join(folder, 'evaluations.json');
  const evaluations = await read(evaluationsFile, evaluationsSchema, LARGEST_EVALUATIONS_BYTES, []);
  const metrics = new Set(
    evaluations.flatMap((one) => Object.keys(one.metrics).map((key) => `${one.evaluator}/${key}`)),
  );
  if (metrics.size > MOST_METRICS)
    throw malformed(
      evaluationsFile,
      `it has ${metrics.size} different metrics; a report shows at most ${MOST_METRICS}`,
    );
  return { record, config, evaluations: evaluations as unknown as EvaluationRecord[] };
}

const malformed = (file: string, problem: string): GraftError =>
  new GraftError(`${file} is not what a run writes: ${problem}.`, { code: 'report.malformed' });

async function read<T>(file: string, schema: z.ZodType<T>, maxBytes: number, missing?: T): Promise<T> {
  let value: unknown;
  try {
    value = await readJsonFile(file, { maxBytes, maxParts: MOST_PARTS });
  } catch (cause) {
    if (missing !== undefined && (cause as NodeJS.ErrnoException).code === 'ENOENT') return missing;
    const what = cause instanceof JsonProblem ? 'does not hold JSON' : 'cannot be read';
    throw new GraftError(`${file} ${what}: ${(cause as Error).message}.`, { code: 'report.unreadable', cause });
  }
  // Checked before the individual evaluations are parsed.
  if (Array.isArray(value) && value.length > MOST_EVALUATIONS)
    throw malformed(file, `it has ${value.length} evaluations; a report shows at most ${MOST_EVALUATIONS}`);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw malformed(file, fieldProblem(parsed.error, 'it'));
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Object.values(value).reduce<number>((most, inner) => Math.max(most, depthOf(inner)), 0);
}
