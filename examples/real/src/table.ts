/** The story as Markdown, from the files of its run folders alone. */
import { listRuns, UsageError, type EvaluationRecord } from '@graft/core';
import { readRun } from '@graft/report';
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ARMS, type Arm, type ModelName } from './arms';
import type { RowsRecord } from './prepare';
import { SAMPLES_FILE, type Samples } from './samples';
import { readJson } from './stored';
import { SUPERGLUE_FILE, type SuperGlueRecord } from './superglue';

interface Plan {
  readonly steps: number;
  readonly batchSize: number;
  readonly engine: string;
  readonly arms: readonly string[];
}

interface Curve {
  readonly arm: Arm;
  readonly parameters: number;
  readonly seconds: number;
  /** Nats per byte by step. */
  readonly losses: ReadonlyMap<number, number>;
}

/** The folder of the story whose rows `OUT/data` links to. Throws UsageError if there is none. */
export async function newestStory(data: string): Promise<string> {
  const rows = await realpath(data).catch(() => undefined);
  if (rows !== undefined) return dirname(rows);
  throw new UsageError(`Nothing has been run yet: there is no ${data}.`, {
    code: 'real.no-runs',
    hint: 'Run `npm run real` first, or name its folder with --out.',
  });
}

/** Tables of held-out losses and of SuperGLUE, and samples. Throws UsageError if no arm has finished. */
export async function storyTable(folder: string): Promise<string> {
  const rows = (await readJson(join(folder, 'data', 'rows.json'))) as RowsRecord | undefined;
  const plan = (await readJson(join(folder, 'plan.json'))) as Plan | undefined;
  const curves = rows && plan ? await readCurves(folder, plan, rows) : [];
  if (!rows || !plan || curves.length === 0)
    throw new UsageError(`No arm in ${folder} has finished yet.`, {
      code: 'real.no-runs',
      hint: 'Give `npm run real` with the same options again: it continues.',
    });
  const superglue = (await readJson(join(folder, SUPERGLUE_FILE))) as SuperGlueRecord | undefined;
  const samples = (await readJson(join(folder, SAMPLES_FILE))) as Samples | undefined;
  return [
    ...lossTable(curves, plan, rows),
    ...unfinished(curves, plan),
    ...(superglue && superglue.tasks.length > 0 ? ['', ...(await superglueTable(superglue))] : []),
    ...(samples ? ['', ...sampleLines(samples)] : []),
  ].join('\n');
}

async function readCurves(folder: string, plan: Plan, rows: RowsRecord): Promise<Curve[]> {
  const curves: Curve[] = [];
  for (const name of plan.arms) {
    const arm = ARMS.find((one) => one.name === name)!;
    const run = await finished(join(folder, name), plan.steps);
    if (run === undefined) continue;
    const { record, totals, evaluations } = await readRun(run);
    const start = await finished(join(folder, `${name}-evaluation`));
    const before = start === undefined ? [] : (await readRun(start)).evaluations;
    const losses = new Map(
      [...before.map((one) => ({ ...one, step: 0 })), ...evaluations].map((one) => [one.step, natsPerByte(one, rows)]),
    );
    curves.push({ arm, parameters: record.parameters ?? NaN, seconds: totals.seconds, losses });
  }
  return curves;
}

/** The newest finished run of a name, of this many steps. */
async function finished(parent: string, steps?: number): Promise<string | undefined> {
  const runs = (await listRuns(parent)).reverse();
  const found = runs.find(
    ({ record }) => record?.status === 'finished' && (steps === undefined || record.steps === steps),
  );
  return found && join(parent, found.id);
}

/** The targets are the same bytes for every model; `bitsPerByte`, where an evaluator reports it, counts them itself. */
function natsPerByte({ metrics }: EvaluationRecord, { heldOutTargetBytes }: RowsRecord): number {
  const { loss, tokens, bitsPerByte } = metrics as Partial<Record<string, number>>;
  if (bitsPerByte !== undefined) return bitsPerByte * Math.LN2;
  return (loss! * tokens!) / heldOutTargetBytes;
}

function lossTable(curves: readonly Curve[], { batchSize, engine }: Plan, rows: RowsRecord): string[] {
  const [{ arm }] = curves;
  const model = arm.tokenizers.decoder;
  const perStep = batchSize * rows.tokensPerRow[model]!;
  const steps = [...new Set(curves.flatMap(({ losses }) => [...losses.keys()]))].sort((a, b) => a - b);
  const head = ['arm', 'parameters', 'minutes', ...steps.map((step) => tokensText(step * perStep))];
  const body = curves.map(({ arm: { title }, parameters, seconds, losses }) => [
    title,
    `${Math.round(parameters / 1e6)} M`,
    (seconds / 60).toFixed(1),
    ...steps.map((step) => losses.get(step)?.toFixed(3) ?? ''),
  ]);
  return [
    ...wrapped(
      `Held-out loss in nats per byte of the targets, after this many tokens of source and target (of the tokenizer of ${shortName(model)}). ` +
        `${steps.at(-1)} steps of ${batchSize} ${batchSize === 1 ? 'row' : 'rows'}; ${rows.trainRows} training rows, ${rows.heldOutRows} held-out ones with ${rows.heldOutTargetBytes} bytes to predict. ${engine}.`,
    ),
    '',
    ...markdown(head, body),
  ];
}

const tokensText = (tokens: number): string =>
  tokens < 1e6 ? `${Math.round(tokens / 1e3)}k` : `${(tokens / 1e6).toFixed(2)}M`;

const shortName = (model: ModelName): string =>
  ({ 'gemma-3-270m': 'Gemma 3', 'smollm2-135m-instruct': 'SmolLM2' })[model];

function unfinished(curves: readonly Curve[], { arms }: Plan): string[] {
  const missing = arms.filter((name) => !curves.some(({ arm }) => arm.name === name));
  return missing.length > 0 ? ['', `Not finished: ${missing.join(', ')}.`] : [];
}

async function superglueTable({ tasks, left, folders }: SuperGlueRecord): Promise<string[]> {
  const body: string[][] = [];
  let majority: number[] = [];
  for (const [name, own] of Object.entries(folders)) {
    const metrics = await Promise.all(
      tasks.map(async (task) => (await readRun(own[task])).evaluations.at(-1)!.metrics),
    );
    const accuracies = tasks.map((task, i) => metrics[i][`${task}/accuracy`]);
    majority = tasks.map((task, i) => metrics[i][`${task}/majority`]);
    body.push([ARMS.find((arm) => arm.name === name)!.title, ...withMean(accuracies)]);
  }
  body.push(['always the most frequent class', ...withMean(majority)]);
  return [
    ...wrapped(
      'SuperGLUE, few rows: accuracy after fine-tuning on the training rows of each task.' +
        (left.length > 0 ? ` Not measured: ${left.join(', ')}.` : ''),
    ),
    '',
    ...markdown(['model', ...tasks, 'mean'], body),
  ];
}

const withMean = (values: readonly number[]): string[] =>
  [...values, values.reduce((sum, value) => sum + value, 0) / values.length].map((value) => value.toFixed(3));

function sampleLines({ rows, arms }: Samples): string[] {
  return rows.flatMap(({ source, target }, i) => [
    ...(i > 0 ? [''] : []),
    'The end of a held-out source, its continuation, and what each model writes:',
    '',
    '```text',
    `source: …${oneLine(source).slice(-200)}`,
    `text: ${oneLine(target).slice(0, 200)}…`,
    ...Object.entries(arms).map(([name, { texts }]) => `${name}: ${oneLine(texts[i])}`),
    '```',
  ]);
}

const oneLine = (text: string): string => text.replaceAll('```', "'''").replace(/\s+/g, ' ').trim();

const LINE = 120;

/** A paragraph as Prettier writes it. */
function wrapped(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines[lines.length - 1];
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= LINE) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** A table as Prettier writes it: all columns but the first are numbers. */
export function markdown(head: readonly string[], body: readonly (readonly string[])[]): string[] {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...body].map((row) => row[i].length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(head), rule, ...body.map(line)];
}

const BEGIN = '<!-- real:table -->';
const END = '<!-- /real:table -->';

/** The page with the table between its two marks. Throws UsageError if the page has none. */
export function intoPage(page: string, table: string, file: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin)
    throw new UsageError(`${file} has no place for the table.`, {
      code: 'real.no-place',
      hint: `Put "${BEGIN}" and "${END}" there, on lines of their own.`,
    });
  return `${page.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${page.slice(end)}`;
}
