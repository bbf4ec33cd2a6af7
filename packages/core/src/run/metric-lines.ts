import { GraftError } from '@graft/engine';
import { streamRegularFile } from '@graft/files';
import type { ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { linesOf } from '../util/lines';

/** Maximum bytes of the file: enough for a run of several million steps. */
const LARGEST_BYTES = 2 ** 30;
/** Maximum bytes of a line; a run's lines have a few hundred. */
const LONGEST_LINE_BYTES = 2 ** 20;
/** Maximum number of metrics of all lines together; each has a chart. */
const MOST_METRICS = 1000;
/** Maximum number of values of all lines together, eight bytes each. */
const MOST_NUMBERS = 2 ** 24;

/** The columns of metrics.jsonl, all of one length. */
export interface MetricLines {
  readonly steps: number[];
  readonly tokens: number[];
  readonly seconds: number[];
  /** NaN: not a number, or missing in that line. */
  readonly metrics: Map<string, number[]>;
}

/**
 * The metrics of a run, for display: a resume checks the file line by line instead (`checkLines`). The errors have the
 * codes of `graft report`, which reads runs from anywhere.
 *
 * Reads a stream. An incomplete last line is one that a run is writing now, or was writing when it was killed. Throws
 * GraftError, naming the line, for any other line that is not an object of numbers, and for a file beyond its bounds.
 */
export async function readMetrics(file: string): Promise<MetricLines> {
  const lines: MetricLines = { steps: [], tokens: [], seconds: [], metrics: new Map() };
  const entry = await stat(file).catch(() => undefined);
  if (!entry) return lines;
  const wrong = (problem: string): GraftError =>
    new GraftError(`${file} ${problem}.`, {
      code: 'report.metrics',
      hint: 'It should have one JSON object of numbers a line, as a run writes it.',
    });
  if (entry.size > LARGEST_BYTES) throw wrong(`has ${entry.size} bytes; a report reads at most ${LARGEST_BYTES}`);
  let number = 0;
  let numbers = 0;
  for await (const { text, ends } of linesOf(await open(file), LONGEST_LINE_BYTES)) {
    number++;
    if (text === undefined)
      throw wrong(`has more than ${LONGEST_LINE_BYTES.toLocaleString('en')} bytes in line ${number}`);
    if (text.trim() === '') continue;
    const line = parseLine(text);
    if (line === undefined && !ends) break;
    if (typeof line?.step !== 'number') throw wrong(`has no metrics of a step in line ${number}`);
    const { step, seconds, ...metrics } = line;
    const count = lines.steps.push(step);
    lines.seconds.push((lines.seconds.at(-1) ?? 0) + (seconds ?? 0));
    lines.tokens.push((lines.tokens.at(-1) ?? 0) + (metrics.tokensPerSecond ?? 0) * (seconds ?? 0));
    for (const [metric, value] of Object.entries(metrics)) {
      if (!lines.metrics.has(metric)) {
        if (lines.metrics.size === MOST_METRICS) throw wrong(`has more than ${MOST_METRICS} metrics by line ${number}`);
        numbers += count - 1;
        if (numbers <= MOST_NUMBERS) lines.metrics.set(metric, new Array<number>(count - 1).fill(NaN));
      }
      lines.metrics.get(metric)?.push(value ?? NaN);
    }
    numbers += 3 + lines.metrics.size;
    if (numbers > MOST_NUMBERS)
      throw wrong(`has more than ${MOST_NUMBERS.toLocaleString('en')} numbers by line ${number}`);
    for (const values of lines.metrics.values()) if (values.length < count) values.push(NaN);
  }
  return lines;
}

/** An object of numbers, with null for a value that is not a number; undefined for anything else. */
function parseLine(text: string): Record<string, number | null> | undefined {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof line !== 'object' || line === null || Array.isArray(line)) return undefined;
  const isNumber = (value: unknown): boolean => value === null || typeof value === 'number';
  return Object.values(line).every(isNumber) ? (line as Record<string, number | null>) : undefined;
}

async function open(file: string): Promise<ReadStream> {
  return streamRegularFile(file).catch((cause: unknown) => {
    throw new GraftError(`${file} cannot be read: ${(cause as Error).message}.`, { code: 'report.unreadable', cause });
  });
}
