import { appendsEos, defineComponent, sidesOf, type ComponentContext, type Dataset, type Tokenizer } from '@graft/core';
import { z } from 'zod';
import { parseAnsweredConversation } from '../chat/conversation';
import { checkMarkers, formatOf, formatOptions, pairsOf, refuseControls } from '../chat/format-options';
import { answersOf, identityOf, sideFormats, type SideFormats } from '../chat/side-formats';
import { toolsNotice } from '../chat/tools-notice';
import { excludeOption, filesOption, findFiles, fingerprint } from '../files/find-files';
import { splitOption } from './hold-out';
import { tokenizerOption } from '../tokenizers/option';
import { openRows } from '../rows/open-rows';
import { packOption } from '../packing/pack';
import { packPairs, pairPackProblem } from '../packing/pack-dataset';
import { shuffleRowsOption } from './row-dataset';
import { RowExamples } from '../rows/row-examples';
import { SEQUENCE_FIELDS, type ReadRow, type Row } from '../rows/rows';
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
    ...formatOptions,
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
  .superRefine((options, context) => {
    const { pack } = options;
    checkMarkers(options, context);
    const problem = pairPackProblem(pack);
    if (problem) context.addIssue({ code: 'custom', path: ['pack', problem.key], message: problem.message });
  });

/** What a config or code may write. */
export type ChatOptions = z.input<typeof chatOptions>;
/** The same with every default filled in. */
export type ResolvedChatOptions = z.output<typeof chatOptions>;

function readConversation(
  options: ResolvedChatOptions,
  format: SideFormats,
  tokenizer: Tokenizer,
  noteTools: (row: Row) => void,
): ReadRow {
  const { messages: key, answers, appendEos, controlTokens } = options;
  const { encoder, decoder } = sidesOf(tokenizer);
  return (object) => {
    const messages = parseAnsweredConversation(Object.hasOwn(object, key) ? object[key] : undefined, key);
    noteTools(object);
    if (controlTokens === 'refuse') refuseControls(format, messages, key);
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
  logger,
}: ComponentContext<ResolvedChatOptions>): Promise<Dataset> {
  const options = { ...given, appendEos: appendsEos(run?.specialTokens, 'decoder', given.appendEos) };
  const { answers, messages, split, appendEos, shuffle, shuffleRows, repeat } = options;
  const files = await findFiles(options.files, options.exclude);
  const tokenizer = await components.create('tokenizer', options.tokenizer);
  const format = await sideFormats(sidesOf(tokenizer), (side, folders) => formatOf(options, side, folders));
  const rows = await openRows(files, { columns: [messages], split, patterns: options.files });
  const read = readConversation(options, format, tokenizer, toolsNotice(logger));
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
