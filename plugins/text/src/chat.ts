import { componentOption, defineComponent, type ComponentContext, type Dataset, type Tokenizer } from '@graft/core';
import { z } from 'zod';
import { excludeOption, filesOption, findFiles, fingerprint } from './find-files';
import { splitOption } from './hold-out';
import { openRows } from './open-rows';
import { packOption } from './pack';
import { packPairs, pairPackProblem } from './pack-dataset';
import { shuffleRowsOption } from './row-dataset';
import { RowExamples } from './row-examples';
import { OrderedRows, RowProblem, SEQUENCE_FIELDS, type ReadRow } from './rows';
import { withTokenizer } from './with-tokenizer';
import { withEos } from './token-source';

export const chatOptions = z
  .strictObject({
    /** Files or globs; each line a JSON object with a conversation, or each row of Parquet. */
    files: filesOption,
    exclude: excludeOption,
    tokenizer: componentOption('tokenizer'),
    /** Key of the list of turns, `{ role, content }` or `{ from, value }` each. */
    messages: z.string().min(1).default('messages'),
    /** `last`: the conversation's last answer is learnt; `every`: each of them, from all that was said before it. */
    answers: z.enum(['last', 'every']).default('last'),
    /** The markup, Gemma's by default. */
    markers: z
      .strictObject({
        startOfTurn: z.string().min(1).default('<start_of_turn>'),
        endOfTurn: z.string().min(1).default('<end_of_turn>'),
        user: z.string().min(1).default('user'),
        model: z.string().min(1).default('model'),
      })
      .prefault({}),
    /** Packs conversations into rows of `sourceTokens` and `targetTokens`, several in each, which do not see each other. */
    pack: packOption.optional(),
    split: splitOption,
    /** An end-of-sequence token behind every answer, after its end of turn. */
    appendEos: z.boolean().default(true),
    /** Conversations in another order in every pass. */
    shuffle: z.boolean().default(true),
    /** Conversations that are shuffled among each other where they cannot be read singly (gzip, Parquet). */
    shuffleRows: shuffleRowsOption,
    /** Begins again after the last conversation. */
    repeat: z.boolean().default(true),
  })
  .superRefine(({ pack }, context) => {
    const problem = pairPackProblem(pack);
    if (problem) context.addIssue({ code: 'custom', path: ['pack', problem.key], message: problem.message });
  });

export type ChatOptions = z.output<typeof chatOptions>;
export type ChatMarkers = ChatOptions['markers'];

export interface Turn {
  readonly role: 'user' | 'model';
  readonly content: string;
}

const ROLES: Readonly<Record<string, 'system' | Turn['role']>> = {
  system: 'system',
  user: 'user',
  human: 'user',
  assistant: 'model',
  model: 'model',
  gpt: 'model',
};

/**
 * The turns of a conversation: questions and answers by turns. Gemma knows no system role; what it says stands before the
 * first question, a blank line between them. Throws RowProblem.
 */
export function parseTurns(messages: unknown, key: string): Turn[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new RowProblem(`should have a list of turns under "${key}"`);
  const turns: Turn[] = [];
  let system: string | undefined;
  for (const [i, message] of messages.entries()) {
    const { role: said, content } = parseMessage(message, `${key}.${i}`);
    const role = Object.hasOwn(ROLES, said) ? ROLES[said] : undefined;
    if (!role)
      throw new RowProblem(`${key}.${i}: the role "${said}" is unknown; there are ${Object.keys(ROLES).join(', ')}`);
    if (role === 'system') {
      if (i > 0) throw new RowProblem(`${key}.${i}: a system message is the first one or none`);
      system = content;
      continue;
    }
    const expected = turns.length % 2 === 0 ? 'user' : 'model';
    if (role !== expected) throw new RowProblem(`${key}.${i}: "${said}" speaks, where it was the ${expected}'s turn`);
    turns.push({ role, content: system !== undefined && turns.length === 0 ? `${system}\n\n${content}` : content });
  }
  if (turns.length === 0) throw new RowProblem(`has nothing but a system message under "${key}"`);
  if (turns.length % 2 === 1) throw new RowProblem(`ends with a question under "${key}"; nothing answers it`);
  return turns;
}

function parseMessage(message: unknown, where: string): { role: string; content: string } {
  const { role, content, from, value } = (message ?? {}) as Readonly<Record<string, unknown>>;
  const [who, what] = [role ?? from, content ?? value];
  if (typeof who !== 'string' || typeof what !== 'string')
    throw new RowProblem(`${where}: expected { role, content } with texts`);
  if (what.trim() === '') throw new RowProblem(`${where}: the content is empty`);
  return { role: who, content: what };
}

/** One turn in the model's markup. */
export function renderTurn({ role, content }: Turn, { startOfTurn, endOfTurn, ...names }: ChatMarkers): string {
  return `${startOfTurn}${names[role]}\n${content}${endOfTurn}\n`;
}

/**
 * What is read and what is answered, for each answer that is to be learnt: the source ends where the model's turn begins,
 * so that the loss is on the answer alone.
 */
export function renderAnswers(
  turns: readonly Turn[],
  answers: ChatOptions['answers'],
  markers: ChatMarkers,
): { source: string; target: string }[] {
  const rendered = turns.map((turn) => renderTurn(turn, markers));
  const opening = `${markers.startOfTurn}${markers.model}\n`;
  return turns.flatMap(({ role, content }, i) =>
    role === 'model' && (answers === 'every' || i === turns.length - 1)
      ? [{ source: rendered.slice(0, i).join('') + opening, target: content + markers.endOfTurn }]
      : [],
  );
}

function readConversation(options: ChatOptions, tokenizer: Tokenizer): ReadRow {
  const { messages: key, answers, markers, appendEos } = options;
  return (object) => {
    const turns = parseTurns(Object.hasOwn(object, key) ? object[key] : undefined, key);
    for (const { content } of turns) {
      const marker = [markers.startOfTurn, markers.endOfTurn].find((one) => content.includes(one));
      if (marker !== undefined) throw new RowProblem(`has the marker "${marker}" within a turn under "${key}"`);
    }
    return renderAnswers(turns, answers, markers).map(({ source, target }) => {
      const answer = tokenizer.encode(target);
      return { source: tokenizer.encode(source), target: appendEos ? withEos(answer, tokenizer.eosId) : answer };
    });
  };
}

/**
 * Conversations out of files with a JSON object on each line (or out of Parquet), as sources and targets for the objective `seq2seq`.
 *
 *     {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}
 *       source  <start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n
 *       target  4<end_of_turn> and the end of sequence
 */
async function openChat({ options, components, random }: ComponentContext<ChatOptions>): Promise<Dataset> {
  const { answers, markers, messages, split, appendEos, shuffle, shuffleRows, repeat } = options;
  const files = await findFiles(options.files, options.exclude);
  const tokenizer = await components.create('tokenizer', options.tokenizer);
  const rows = await openRows(files, { columns: [messages], split, patterns: options.files });
  const read = readConversation(options, tokenizer);
  const ordered = new OrderedRows(rows, read, shuffle ? random : undefined, shuffleRows);
  const buffered = rows.stretches ? shuffleRows : undefined;
  const rendering = [messages, answers, markers, appendEos, split, shuffle, tokenizer.vocabularySize, buffered];
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
