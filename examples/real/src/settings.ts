/** The command line of `npm run real`. */
import { didYouMean, UsageError } from '@graft/core';
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { ARMS, CONFIGS, type Arm } from './arms';

export const USAGE = `The paper's story on two small pretrained models and real text: adapted, from scratch, and decoder-only.
  npm run real -- [options]

  --accept-license        accept Gemma's terms, and fetch Gemma 3 270M; without it, what needs Gemma is left out
  --minutes N             time for everything, 60 at most and by default; decides how many tokens each arm reads
  --tokens N              tokens that each arm reads, however long that takes
  --text PLACE ...        folders or files of your own text, read besides the Markdown of the installed packages
  --held-out-rows N       held-out rows of which every evaluation measures the loss (default: 32)
  --superglue FOLDER      also fine-tune on these rows (TASK/train.jsonl, TASK/val.jsonl), as SuperGLUE's archives have them
  --arms NAME,...         only these arms: ${ARMS.map(({ name }) => name).join(', ')}
  --set KEY=VALUE         a config key of every arm (train.batchSize=8), or of one (gemma-adapted.optimizer.learningRate=1e-4)
  --out FOLDER            where everything is kept (default: examples/real/runs)
  --prepare               fetch the models and write the rows, and stop
  --table                 print the Markdown table of the newest runs, and stop; with --into FILE, put it into that page

A stopped run continues when the command is given again.
`;

/** What the user asked for. */
export interface Settings {
  /** Undefined where `tokens` decides. */
  readonly minutes?: number;
  /** Tokens of source and target that each arm reads, in the tokenizer of the first arm's decoder. */
  readonly tokens?: number;
  readonly texts: readonly string[];
  readonly superglue?: string;
  /** Rows that every evaluation measures. Default 32. */
  readonly heldOutRows?: number;
  /** Default: all that can run. */
  readonly arms?: readonly Arm[];
  readonly overrides: readonly string[];
  /** Absolute, or relative to the working folder. */
  readonly out: string;
  readonly only?: 'prepare' | 'table';
  /** With `only: 'table'`: the page that the table is put into. */
  readonly into?: string;
}

export const MOST_MINUTES = 60;

const OPTIONS = {
  'accept-license': { type: 'boolean' },
  minutes: { type: 'string' },
  tokens: { type: 'string' },
  text: { type: 'string', multiple: true },
  superglue: { type: 'string' },
  'held-out-rows': { type: 'string' },
  arms: { type: 'string' },
  set: { type: 'string', multiple: true },
  out: { type: 'string' },
  prepare: { type: 'boolean' },
  table: { type: 'boolean' },
  into: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const wrong = (message: string, hint?: string): UsageError =>
  new UsageError(message, { code: 'real.command-line', hint: hint ?? 'npm run real -- --help' });

/** undefined: the user asks for help. Throws UsageError. */
export function parseSettings(args: readonly string[]): Settings | undefined {
  refuseUnknown(args);
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw wrong((error as Error).message.replace(/\.?$/, '.'));
  }
  const { values, positionals } = parsed;
  if (values.help) return undefined;
  if (positionals.length > 0 && !values.text) throw wrong(`"${positionals[0]}" belongs to no option.`);
  if (values.minutes !== undefined && values.tokens !== undefined)
    throw wrong('Both --minutes and --tokens are given, but only one of them can decide how long the arms train.');
  if (values.prepare && values.table) throw wrong('--prepare and --table are two commands.');
  if (values.into !== undefined && !values.table) throw wrong('--into belongs to --table.');
  const tokens = values.tokens === undefined ? undefined : positive('--tokens', values.tokens);
  const minutes = values.minutes === undefined ? MOST_MINUTES : positive('--minutes', values.minutes);
  if (minutes > MOST_MINUTES)
    throw wrong(`--minutes is ${minutes}, but ${MOST_MINUTES} at most.`, 'For longer runs, say how many --tokens.');
  return {
    minutes: tokens === undefined ? minutes : undefined,
    tokens,
    texts: [...(values.text ?? []), ...positionals],
    superglue: values.superglue,
    heldOutRows: values['held-out-rows'] === undefined ? undefined : heldOutRows(values['held-out-rows']),
    arms: values.arms === undefined ? undefined : namedArms(values.arms),
    overrides: (values.set ?? []).map(checkedOverride),
    out: values.out ?? join(CONFIGS, 'runs'),
    only: values.prepare ? 'prepare' : values.table ? 'table' : undefined,
    into: values.into,
  };
}

/** Keys on which the comparison rests, with the options that decide them. */
const DECIDED = [
  [/^(dataset|evaluators)\b/, 'every arm reads and predicts the same rows; --text adds text'],
  [/^(name|runs)\b/, 'runs are found again by them; --out says where they are'],
  [/^train\.(steps|checkpointEvery)\b/, '--minutes or --tokens decide how long every arm trains'],
] as const;

function checkedOverride(override: string): string {
  const arm = ARMS.find(({ name }) => override.startsWith(`${name}.`));
  const key = arm ? override.slice(arm.name.length + 1) : override;
  if (!key.includes('=')) throw wrong(`--set ${override} should be KEY=VALUE.`);
  const decided = DECIDED.find(([pattern]) => pattern.test(key));
  if (decided) throw wrong(`--set ${override} cannot be set here: ${decided[1]}.`);
  return override;
}

function refuseUnknown(args: readonly string[]): void {
  const { tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind !== 'option' || token.name in OPTIONS) continue;
    throw wrong(`There is no option ${token.rawName}${didYouMean(token.name, Object.keys(OPTIONS)) || '.'}`);
  }
}

function positive(option: string, text: string): number {
  const value = Number(text.replaceAll('_', ''));
  if (Number.isFinite(value) && value > 0) return value;
  throw wrong(`${option} should be a number above 0, but is "${text}".`);
}

function heldOutRows(text: string): number {
  const rows = positive('--held-out-rows', text);
  if (Number.isInteger(rows)) return rows;
  throw wrong(`--held-out-rows should be a whole number, but is ${text}.`);
}

function namedArms(text: string): Arm[] {
  return text.split(',').map((name) => {
    const arm = ARMS.find((one) => one.name === name.trim());
    if (arm) return arm;
    const names = ARMS.map((one) => one.name);
    throw wrong(
      `There is no arm "${name.trim()}"${didYouMean(name.trim(), names) || `; there are ${names.join(', ')}.`}`,
    );
  });
}
