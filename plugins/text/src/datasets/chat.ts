import {
  appendsEos,
  DataError,
  defineComponent,
  pathOption,
  sidesOf,
  type ComponentContext,
  type Dataset,
  type Tokenizer,
} from '@graft/core';
import { z } from 'zod';
import { ChatFormat, GEMMA_MARKERS, type AnswerPair } from '../chat/chat-format';
import { parseAnsweredConversation } from '../chat/conversation';
import { excludeOption, filesOption, findFiles, fingerprint } from '../files/find-files';
import { splitOption } from './hold-out';
import { tokenizerOption } from '../tokenizers/option';
import { openRows } from '../rows/open-rows';
import { findChatTemplate, openChatFormat } from '../chat/open-chat-format';
import { answersOf, identityOf, sideFormats, type SideFormats } from '../chat/side-formats';
import { packOption } from '../packing/pack';
import { packPairs, pairPackProblem } from '../packing/pack-dataset';
import { shuffleRowsOption } from './row-dataset';
import { RowExamples } from '../rows/row-examples';
import { RowProblem, SEQUENCE_FIELDS, type ReadRow } from '../rows/rows';
import { OrderedRows } from '../rows/ordered-rows';
import { withEos } from '../packing/token-source';
import { vocabularies, withTokenizer } from './with-tokenizer';

/** The options of the dataset `chat`. */
export const chatOptions = z
  .strictObject({
    files: filesOption.describe(
      'Files or globs, one or several; each line is a JSON object with a conversation, or each row of Parquet.',
    ),
    exclude: excludeOption.describe(
      'Patterns of files to leave out, matched against absolute paths, as in `**/CHANGELOG.md`.',
    ),
    tokenizer: tokenizerOption(),
    messages: z
      .string()
      .min(1)
      .default('messages')
      .describe('Key of the list of turns, `{ role, content }` or `{ from, value }` each.'),
    answers: z
      .enum(['last', 'every'])
      .default('last')
      .describe("`last`: the conversation's last answer is learned; `every`: each of them, from everything before it."),
    template: pathOption()
      .optional()
      .describe("A chat template, or a folder that has one. Default: the tokenizer's own, otherwise Gemma's markup."),
    templateName: z
      .string()
      .min(1)
      .optional()
      .describe('Name of the template, if there are several. Default: `default`.'),
    date: z.iso
      .date()
      .optional()
      .describe('The date for a template that asks for it, as `2026-01-31`. Default: today.'),
    markers: z
      .strictObject({
        startOfTurn: z.string().min(1).default(GEMMA_MARKERS.startOfTurn).describe('Begins a turn.'),
        endOfTurn: z.string().min(1).default(GEMMA_MARKERS.endOfTurn).describe('Ends a turn.'),
        user: z.string().min(1).default(GEMMA_MARKERS.user).describe("Name of the user's turns."),
        model: z.string().min(1).default(GEMMA_MARKERS.model).describe("Name of the model's turns."),
      })
      .optional()
      .describe("Uses Gemma's markup with these markers, even if the tokenizer has a template."),
    controlTokens: z
      .enum(['refuse', 'encode'])
      .default('refuse')
      .describe(
        'Special tokens that are spelled out in a turn: an error (`refuse`), or encoded as those tokens, as published tokenizers do (`encode`).',
      ),
    pack: packOption
      .optional()
      .describe(
        'Packs several conversations into each row of `sourceTokens` and `targetTokens`; attention does not cross them. Default: nothing is packed.',
      ),
    split: splitOption.describe('Holds a fraction of the documents out of training. Default: all documents are given.'),
    appendEos: z
      .boolean()
      .default(true)
      .describe(
        "Puts an end-of-sequence token behind every answer, after its end of turn, unless the run's policy sets something else.",
      ),
    shuffle: z.boolean().default(true).describe('Gives the conversations in a different order in every epoch.'),
    shuffleRows: shuffleRowsOption.describe(
      'Conversations that are shuffled together if they cannot be read individually (gzip, Parquet).',
    ),
    repeat: z.boolean().default(true).describe('Begins again after the last conversation.'),
  })
  .superRefine(({ pack, markers, template, templateName }, context) => {
    if (markers && (template !== undefined || templateName !== undefined)) {
      const message = "is for Gemma's markup; leave it out, or template and templateName";
      context.addIssue({ code: 'custom', path: ['markers'], message });
    }
    const problem = pairPackProblem(pack);
    if (problem) context.addIssue({ code: 'custom', path: ['pack', problem.key], message: problem.message });
  });

/** What a config or code may write. */
export type ChatOptions = z.input<typeof chatOptions>;
/** The same with every default filled in. */
export type ResolvedChatOptions = z.output<typeof chatOptions>;

/** The format of what a side reads or writes of conversations, from the options or files next to its tokenizer. */
async function formatOf(
  options: ResolvedChatOptions,
  tokenizer: Tokenizer,
  folders: readonly string[],
): Promise<ChatFormat> {
  const { template, templateName: name, markers, date } = options;
  if (markers) return ChatFormat.ofMarkers(markers, tokenizer);
  const now = date === undefined ? undefined : new Date(`${date}T12:00:00`);
  const format =
    template === undefined
      ? await openChatFormat(folders, tokenizer, { name, now })
      : await findChatTemplate(template, tokenizer, { name, now });
  if (!format)
    throw new DataError(`${template} holds no chat template${name === undefined ? '' : ` "${name}"`}.`, {
      code: 'chat.missing',
      exitCode: 2,
    });
  if (format.readsDate && !now)
    throw new DataError(
      `The chat template of ${format.origin} asks for the date, which would differ from day to day.`,
      {
        code: 'chat.date',
        exitCode: 2,
        hint: 'Name the date that it gets, as in `date: 2026-01-31`.',
      },
    );
  return format;
}

function readConversation(options: ResolvedChatOptions, format: SideFormats, tokenizer: Tokenizer): ReadRow {
  const { messages: key, answers, appendEos, controlTokens } = options;
  const { encoder, decoder } = sidesOf(tokenizer);
  return (object) => {
    const messages = parseAnsweredConversation(Object.hasOwn(object, key) ? object[key] : undefined, key);
    if (controlTokens === 'refuse') {
      for (const [i, message] of messages.entries()) {
        const token = format.encoder.specialWithin(message) ?? format.decoder.specialWithin(message);
        if (token !== undefined)
          throw new RowProblem(`${key}.${i}: has the special token "${token}" within its text, which would become one`);
      }
    }
    return pairsOf(() => answersOf(format, messages, answers)).map(({ source, target }) => {
      const answer = decoder.encode(target);
      const ended = answer[answer.length - 1] === decoder.eosId;
      return {
        source: encoder.encode(source),
        target: appendEos && !ended ? withEos(answer, decoder.eosId) : answer,
      };
    });
  };
}

/** An error of the template is reported with the conversation's place. */
function pairsOf(render: () => AnswerPair[]): AnswerPair[] {
  try {
    return render();
  } catch (error) {
    if (!(error instanceof DataError && error.code.startsWith('chat.'))) throw error;
    throw new RowProblem(`cannot be rendered. ${error.message.replace(/\.$/, '')}`);
  }
}

/**
 * Conversations from files with a JSON object on each line (or from Parquet), as sources and targets for the objective
 * `seq2seq`, by the chat template next to the tokenizer, otherwise in Gemma's markup:
 *
 *     {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}
 *       source  <start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n
 *       target  4<end_of_turn> and the end of sequence
 */
async function openChat({
  options: given,
  components,
  random,
  run,
}: ComponentContext<ResolvedChatOptions>): Promise<Dataset> {
  const options = { ...given, appendEos: appendsEos(run?.specialTokens, 'decoder', given.appendEos) };
  const { answers, messages, split, appendEos, shuffle, shuffleRows, repeat } = options;
  const files = await findFiles(options.files, options.exclude);
  const tokenizer = await components.create('tokenizer', options.tokenizer);
  const format = await sideFormats(sidesOf(tokenizer), (side, folders) => formatOf(options, side, folders));
  const rows = await openRows(files, { columns: [messages], split, patterns: options.files });
  const read = readConversation(options, format, tokenizer);
  const ordered = new OrderedRows(rows, read, shuffle ? random : undefined, shuffleRows);
  const buffered = rows.stretches ? shuffleRows : undefined;
  const rendering = [
    messages,
    answers,
    identityOf(format),
    appendEos,
    split,
    shuffle,
    vocabularies(tokenizer),
    buffered,
  ];
  const data = fingerprint(files, [...rendering, options.pack]);
  const examples = new RowExamples(ordered, SEQUENCE_FIELDS, {
    repeat,
    fingerprint: data,
    perRow: answers === 'last' ? 1 : undefined,
  });
  const packing = { tokenizer, random, shuffle, fingerprint: data };
  return withTokenizer(options.pack ? packPairs(examples, options.pack, packing) : examples, tokenizer);
}

export const chat = defineComponent({
  interface: 'dataset',
  id: 'chat',
  description: 'conversations from files with a JSON object on each line; the answers are learnt',
  options: chatOptions,
  useFactory: openChat,
});
