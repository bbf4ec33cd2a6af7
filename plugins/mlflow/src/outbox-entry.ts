import { messageOf } from '@graft/core/internal';
import { z } from 'zod';
import { sendArtifacts } from './artifacts';
import type { MlflowClient } from './client';
import { isFaultOfValues } from './http';
import { firstBatch, type Metric, type Parameter } from './names';

/** Refused values of an entry before the whole entry counts as refused. */
const MOST_REFUSED = 20;

const ParameterSchema = z.object({ key: z.string(), value: z.string() });
const MetricSchema = z.object({ key: z.string(), value: z.number(), timestamp: z.number(), step: z.number() });

/** The data of one run for one server, and the progress of sending them. Plain JSON, so that it can wait in a file. */
export const OutboxEntrySchema = z.object({
  version: z.literal(1).default(1),
  /** Missing in entries of earlier versions. */
  server: z.string().optional(),
  experiment: z.string(),
  /** Graft's id of the run. */
  runName: z.string(),
  /** How MLflow shows the run. */
  title: z.string().optional(),
  startTime: z.number(),
  /** For a run that the server does not know yet; otherwise they are sent on. */
  tags: z.array(ParameterSchema).optional(),
  /** Files of the run's folder that are still to be sent. */
  artifacts: z
    .array(z.string().regex(/^[\w-][\w.-]*$/))
    .max(100)
    .optional(),
  parameters: z.array(ParameterSchema),
  /** The steps of a key only increase. */
  metrics: z.array(MetricSchema),
  /** Set once the server knows the run. */
  runId: z.string().optional(),
  end: z.object({ status: z.enum(['FINISHED', 'FAILED', 'KILLED']), time: z.number() }).optional(),
  /** Values that the server refused, with its reason. */
  refused: z.array(z.object({ value: z.union([MetricSchema, ParameterSchema]), reason: z.string() })).optional(),
});

export type OutboxEntry = z.output<typeof OutboxEntrySchema>;

/**
 * Sends what is left of an entry, taking off what the server has confirmed. A value that it refuses moves to `refused`, and the
 * others go on. `folder`: the run's, which contains its artifacts. Resolves to the reason why the server takes no artifacts, if
 * it does not. Rejects at the first failure of another kind.
 */
export async function deliver(client: MlflowClient, entry: OutboxEntry, folder: string): Promise<string | undefined> {
  entry.runId ??= await registerRun(client, entry);
  const { runId } = entry;
  await sendAll(entry, 'parameters', (batch: readonly Parameter[]) => client.logParameters(runId, batch));
  await sendAll(entry, 'metrics', (batch: readonly Metric[]) => client.logMetrics(runId, batch));
  if (entry.end) {
    await client.finishRun(entry.runId, entry.end.status, entry.end.time);
    delete entry.end;
  }
  return sendArtifacts(client, runId, folder, entry.artifacts ?? []);
}

/** The server's id of the entry's run. Values that the server already has are removed from the entry. */
async function registerRun(client: MlflowClient, entry: OutboxEntry): Promise<string> {
  const experiment = await client.experiment(entry.experiment);
  const known = await client.findRun(experiment, entry.runName);
  const { runName: graftRunId, title, startTime, tags = [] } = entry;
  if (!known) return client.createRun(experiment, { graftRunId, title, startTime, tags });
  await client.setTags(known.id, tags);
  // Parameters cannot be changed: if a resumed run has another number of steps, the first one remains.
  entry.parameters = entry.parameters.filter(({ key }) => !known.parameters.has(key));
  entry.metrics = entry.metrics.filter(({ key, step }) => step > (known.lastSteps.get(key) ?? -1));
  if (!entry.end) await client.reopenRun(known.id);
  return known.id;
}

type Refused = NonNullable<OutboxEntry['refused']>[number];

/**
 * Values may be added to the entry while a request is under way; only what was sent is taken off. Where an answer is lost the
 * same values go out again: MLflow keeps one of two metrics with the same key, step, time and value.
 */
async function sendAll<K extends 'parameters' | 'metrics'>(
  entry: OutboxEntry,
  kind: K,
  send: (batch: OutboxEntry[K]) => Promise<void>,
): Promise<void> {
  const queue = entry[kind] as (Metric | Parameter)[];
  while (queue.length > 0) {
    const batch = firstBatch(queue);
    const refused: Refused[] = [];
    let taken = 0;
    // Halves of a refused batch, until only the refused values remain.
    const sendOr = async (part: (Metric | Parameter)[]): Promise<void> => {
      try {
        await send(part as OutboxEntry[K]);
        taken += part.length;
      } catch (error) {
        if (!isFaultOfValues(error)) throw error;
        if (part.length === 1) refused.push({ value: part[0], reason: messageOf(error) });
        if (taken === 0 && refused.length + (entry.refused?.length ?? 0) >= MOST_REFUSED) throw error;
        if (part.length === 1) return;
        const half = part.length >> 1;
        await sendOr(part.slice(0, half));
        await sendOr(part.slice(half));
      }
    };
    await sendOr(batch);
    queue.splice(0, batch.length);
    if (refused.length > 0) entry.refused = [...(entry.refused ?? []), ...refused];
  }
}

/** Whether nothing is left to send. */
export function isDelivered({ parameters, metrics, end, runId, artifacts = [] }: OutboxEntry): boolean {
  const left = parameters.length + metrics.length + artifacts.length;
  return runId !== undefined && left === 0 && end === undefined;
}

/** A sentence about the values that the server refused; undefined if it accepted all. */
export function describeRefused({ refused = [] }: OutboxEntry, kept: string): string | undefined {
  if (refused.length === 0) return undefined;
  const [{ value, reason }] = refused;
  const what = refused.length === 1 ? `"${value.key}"` : `${refused.length} values, the first of them "${value.key}"`;
  return `refuses ${what} (${reason}); ${refused.length === 1 ? 'it is' : 'they are'} kept in ${kept}`;
}
