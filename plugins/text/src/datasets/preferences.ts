import {
  appendsEos,
  DataError,
  defineComponent,
  sidesOf,
  type ComponentContext,
  type Dataset,
  type FieldSpec,
  type Tokenizer,
} from '@graft/core';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { ChatMessage } from '../chat/chat-format';
import { parseAnsweredConversation, parseConversation } from '../chat/conversation';
import { checkMarkers, formatOf, formatOptions, pairsOf, refuseControls } from '../chat/format-options';
import { answersOf, identityOf, sideFormats, type SideFormats } from '../chat/side-formats';
import { toolsNotice } from '../chat/tools-notice';
import { excludeOption, filesOption, findFiles, fingerprint } from '../files/find-files';
import { withEos } from '../packing/token-source';
import { openRows } from '../rows/open-rows';
import { OrderedRows } from '../rows/ordered-rows';
import { RowExamples } from '../rows/row-examples';
import { RowProblem, type ReadRow, type Row } from '../rows/rows';
import { kindOf, missing } from '../rows/template';
import { tokenizerOption } from '../tokenizers/option';
import { splitOption } from './hold-out';
import { shuffleRowsOption } from './row-dataset';
import { vocabularies, withTokenizer } from './with-tokenizer';

const key = (): z.ZodString => z.string().min(1);

/** The options of the dataset `preferences`. */
export const preferencesOptions = z
  .strictObject({
    files: filesOption.describe(
      'Files or globs, one or several; each line is a JSON object with a prompt and two answers, or each row of Parquet.',
    ),
    exclude: excludeOption.describe(
      'Patterns of files to leave out, matched against absolute paths, as in `**/CHANGELOG.md`.',
    ),
    tokenizer: tokenizerOption(),
    prompt: key()
      .default('prompt')
      .describe('Key of the prompt: a text, or a list of turns. Rows whose answers are whole conversations need none.'),
    chosen: key()
      .default('chosen')
      .describe('Key of the better answer: a text, turns that answer the prompt, or the whole conversation.'),
    rejected: key().default('rejected').describe('Key of the worse answer, in the same form.'),
    ...formatOptions,
    pack: z.unknown().optional().describe('Not possible: the two answers to a prompt are rows of their own.'),
    split: splitOption.describe('Holds a fraction of the rows out of training. Default: all rows are given.'),
    appendEos: z
      .boolean()
      .default(true)
      .describe("Puts an end-of-sequence token behind both answers, unless the run's policy sets something else."),
    shuffle: z.boolean().default(true).describe('Gives the rows in a different order in every epoch.'),
    shuffleRows: shuffleRowsOption.describe(
      'Rows that are shuffled together if they cannot be read individually (gzip, Parquet).',
    ),
    repeat: z.boolean().default(true).describe('Begins again after the last row.'),
  })
  .superRefine((options, context) => {
    checkMarkers(options, context);
    if (options.pack === undefined) return;
    const message = 'pairs of answers cannot be packed, because each answer reads its prompt alone; leave `pack` out';
    context.addIssue({ code: 'custom', path: ['pack'], message });
  });

/** What a config or code may write. */
export type PreferencesOptions = z.input<typeof preferencesOptions>;
/** The same with every default filled in. */
export type ResolvedPreferencesOptions = z.output<typeof preferencesOptions>;

const ids = (name: string, meaning: string): FieldSpec => ({ name, dtype: 'int32', rank: 1, meaning });

const FIELDS: readonly FieldSpec[] = [
  ids('source', 'token ids of the prompt'),
  // An objective that learns one answer would take no notice of which of two is better.
  { ...ids('chosen', 'token ids of the better answer, end of sequence included'), mustBeUsed: true },
  { ...ids('rejected', 'token ids of the worse answer, end of sequence included'), mustBeUsed: true },
];

/** A prompt and two answers as texts. */
interface PreferenceTexts {
  readonly source: string;
  readonly chosen: string;
  readonly rejected: string;
}

type Keys = Pick<ResolvedPreferencesOptions, 'prompt' | 'chosen' | 'rejected'>;

const at = (row: Row, name: string): unknown => (Object.hasOwn(row, name) ? row[name] : undefined);

/** The texts of a row. Plain texts stay as they are; turns are rendered. Throws RowProblem. */
function textsOf(row: Row, keys: Keys, render: (chosen: Turns, rejected: Turns) => PreferenceTexts): PreferenceTexts {
  const prompt = at(row, keys.prompt);
  const answers = [at(row, keys.chosen), at(row, keys.rejected)];
  for (const [i, answer] of answers.entries()) {
    if (typeof answer === 'string' || Array.isArray(answer)) continue;
    const name = i === 0 ? keys.chosen : keys.rejected;
    const got = answer === undefined ? missing(row, name) : `holds ${kindOf(answer)} there`;
    throw new RowProblem(`should have an answer under "${name}", a text or a list of turns, but ${got}`);
  }
  const [chosen, rejected] = answers as (string | unknown[])[];
  if (typeof chosen !== typeof rejected)
    throw new RowProblem(`has one answer as a text and one as a list of turns ("${keys.chosen}", "${keys.rejected}")`);
  if (typeof prompt === 'string' && typeof chosen === 'string' && typeof rejected === 'string')
    return { source: prompt, chosen, rejected };
  return render(
    turnsOf(prompt, chosen, { prompt: keys.prompt, answer: keys.chosen }),
    turnsOf(prompt, rejected, { prompt: keys.prompt, answer: keys.rejected }),
  );
}

/** A conversation that ends with an answer, and the key of its turns for errors. */
interface Turns {
  readonly messages: readonly ChatMessage[];
  readonly key: string;
}

/** The conversation of a prompt and one answer. */
function turnsOf(prompt: unknown, answer: unknown, keys: { prompt: string; answer: string }): Turns {
  const { answer: name } = keys;
  if (typeof answer === 'string') {
    if (!Array.isArray(prompt))
      throw new RowProblem(`should have a text or a list of turns under "${keys.prompt}", to which "${name}" answers`);
    const asked = parseConversation(prompt, keys.prompt);
    return { messages: answered([...asked, { role: 'assistant', content: answer }], name), key: name };
  }
  const own = parseAnsweredConversation(answer, name);
  if (prompt === undefined || prompt === null) {
    if (own.length > 1) return { messages: own, key: name };
    throw new RowProblem(`has an answer alone under "${name}", and nothing under "${keys.prompt}" that it answers`);
  }
  const asked =
    typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : parseConversation(prompt, keys.prompt);
  const question = own.find(({ role }) => role === 'user');
  if (!question) return { messages: answered([...asked, ...own], name), key: name };
  // The whole conversation: then the prompt is its beginning, or its first question.
  const repeats =
    isDeepStrictEqual(own.slice(0, asked.length), asked) || (typeof prompt === 'string' && question.content === prompt);
  if (repeats) return { messages: own, key: name };
  throw new RowProblem(`has a conversation under "${name}" that does not begin with what is under "${keys.prompt}"`);
}

function answered(messages: readonly ChatMessage[], name: string): readonly ChatMessage[] {
  const { content } = messages[messages.length - 1];
  if (typeof content === 'string' && content.trim() === '') throw new RowProblem(`has an empty answer under "${name}"`);
  if (messages[messages.length - 2].role === 'assistant')
    throw new RowProblem(`has an answer under "${name}" to turns that end with an answer already`);
  return messages;
}

/** What the two conversations have in common as the source, and their last answers. */
function rendered(format: SideFormats, chosen: Turns, rejected: Turns): PreferenceTexts {
  if (!isDeepStrictEqual(chosen.messages.slice(0, -1), rejected.messages.slice(0, -1)))
    throw new RowProblem(
      `has two conversations that differ before their last answers ("${chosen.key}", "${rejected.key}")`,
    );
  const [one, other] = [chosen, rejected].map(({ messages }) => pairsOf(() => answersOf(format, messages, 'last'))[0]);
  if (one.source === other.source) return { source: one.source, chosen: one.target, rejected: other.target };
  throw new RowProblem('is rendered by its chat template with two prompts, which depend on the answers');
}

function readPreferences(
  { appendEos, controlTokens, ...keys }: ResolvedPreferencesOptions,
  format: SideFormats,
  tokenizer: Tokenizer,
  noteTools: (row: Row) => void,
): ReadRow {
  const { encoder, decoder } = sidesOf(tokenizer);
  return (row) => {
    noteTools(row);
    const texts = textsOf(row, keys, (chosen, rejected) => {
      if (controlTokens === 'refuse')
        for (const { messages, key: name } of [chosen, rejected]) refuseControls(format, messages, name);
      return rendered(format, chosen, rejected);
    });
    const source = encoder.encode(texts.source);
    if (source.length === 0) throw new RowProblem(`has an empty prompt under "${keys.prompt}"`);
    const answer = (name: 'chosen' | 'rejected'): Int32Array => {
      const tokens = decoder.encode(texts[name]);
      if (tokens.length === 0) throw new RowProblem(`has an empty answer under "${keys[name]}"`);
      return appendEos && tokens[tokens.length - 1] !== decoder.eosId ? withEos(tokens, decoder.eosId) : tokens;
    };
    const [chosen, rejected] = [answer('chosen'), answer('rejected')];
    if (isDeepStrictEqual(chosen, rejected))
      throw new RowProblem(`has the same answer under "${keys.chosen}" and "${keys.rejected}", so neither is better`);
    return [{ source, chosen, rejected }];
  };
}

/**
 * Prompts with a better and a worse answer, from files with a JSON object on each line (or from Parquet), for the
 * objective `dpo`. Texts are read as they are; turns are rendered by the chat template next to the tokenizer, otherwise in
 * Gemma's markup:
 *
 *     {"prompt": "2 + 2 = ", "chosen": "4", "rejected": "5"}
 *       source  2 + 2 =
 *       chosen  4 and the end of sequence     rejected  5 and the end of sequence
 *
 *     {"prompt": [{"role": "user", "content": "2 + 2?"}], "chosen": "4", "rejected": "5"}
 *       source  <start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n
 *       chosen  4<end_of_turn> and the end of sequence     rejected  5<end_of_turn> and the end of sequence
 */
async function openPreferences({
  options: given,
  components,
  random,
  run,
  logger,
}: ComponentContext<ResolvedPreferencesOptions>): Promise<Dataset> {
  const options = { ...given, appendEos: appendsEos(run?.specialTokens, 'decoder', given.appendEos) };
  const { prompt, chosen, rejected, split, appendEos, shuffle, shuffleRows, repeat } = options;
  const keys = [prompt, chosen, rejected];
  const twin = keys.find((name, i) => keys.indexOf(name) !== i);
  if (twin !== undefined)
    throw new DataError(`dataset: prompt, chosen and rejected have keys of their own, but two are "${twin}".`, {
      code: 'preferences.keys',
      exitCode: 2,
    });
  const files = await findFiles(options.files, options.exclude);
  const tokenizer = await components.create('tokenizer', options.tokenizer);
  const format = await sideFormats(sidesOf(tokenizer), (side, folders) => formatOf(options, side, folders));
  const rows = await openRows(files, { columns: keys, split, patterns: options.files });
  const read = readPreferences(options, format, tokenizer, toolsNotice(logger));
  const ordered = new OrderedRows(rows, read, shuffle ? random : undefined, shuffleRows);
  const buffered = rows.stretches ? shuffleRows : undefined;
  const rendering = [keys, identityOf(format), appendEos, split, shuffle, vocabularies(tokenizer), buffered];
  const data = fingerprint(files, ['preferences', ...rendering]);
  return withTokenizer(new RowExamples(ordered, FIELDS, { repeat, fingerprint: data, perRow: 1 }), tokenizer);
}

export const preferences = defineComponent({
  interface: 'dataset',
  id: 'preferences',
  description: 'prompts with a better and a worse answer, from files with a JSON object on each line',
  options: preferencesOptions,
  useFactory: openPreferences,
});
