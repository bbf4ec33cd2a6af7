import type { ChatMessage } from '@graft/text';
import { appendFile, writeFile } from 'node:fs/promises';
import { Chat, type ChatOptions } from '../models/chat';
import type { CommandContext } from './shared/context';
import { converse } from '../models/converse';
import { CommandLineError } from '../output/command-line-error';
import { describeError } from '../output/report-error';
import { readTexts } from '../models/texts';

export interface GenerateChatOptions extends ChatOptions {
  readonly prompt?: string;
  readonly inputs?: string;
  readonly output?: string;
  readonly force?: boolean;
  readonly system?: string;
  readonly stream?: boolean;
}

/** Rejects options that contradict `--chat`. */
export function checkChatUsage({ prompt, inputs, output, system, stream, sequences }: GenerateChatOptions): void {
  if (prompt !== undefined && inputs !== undefined) throw new CommandLineError('Give either --inputs or --prompt.');
  if (output !== undefined && inputs === undefined) throw new CommandLineError('--output belongs to --inputs.');
  if (stream && prompt === undefined)
    throw new CommandLineError('--stream belongs to --prompt; a terminal always streams.');
  if (system !== undefined && inputs !== undefined)
    throw new CommandLineError(
      '--system does not go with --inputs, whose conversations have system messages of their own.',
    );
  if (sequences > 1) throw new CommandLineError('--chat gives one answer; it does not go with --sequences.');
  if (prompt === undefined && inputs === undefined && !(process.stdin.isTTY && process.stdout.isTTY))
    throw new CommandLineError('--chat alone talks at a terminal, which this is not; give --prompt or --inputs.');
}

/** Answers one prompt, the conversations of a file, or a conversation at the terminal. */
export async function generateChat(context: CommandContext, options: GenerateChatOptions): Promise<void> {
  const { prompt, inputs, output, system, stream, stop } = options;
  const conversations = inputs === undefined ? [] : await readConversations(inputs);
  const { outputFile } = await import('@graft/checkpoint/internal');
  // JSON lines have no place for a mark of the writing command, so no existing file is overwritten without --force.
  const file =
    output === undefined ? undefined : await outputFile(output, { command: 'graft generate', force: options.force });
  const atTerminal = prompt === undefined && inputs === undefined;
  const chat = await Chat.open(context, { ...options, streams: atTerminal || stream === true || stop !== undefined });
  try {
    if (atTerminal) {
      const describe = (error: unknown): string => describeError(error, context.globals.debug === true).text;
      const answer: Chat['answer'] = (messages, hooks) => chat.answer(messages, hooks);
      await converse({ input: process.stdin, output: process.stdout }, { system, answer, describe });
    } else if (prompt !== undefined) {
      const messages: ChatMessage[] = [
        ...(system === undefined ? [] : [{ role: 'system', content: system }]),
        { role: 'user', content: prompt },
      ];
      const text = await chat.answer(messages, stream ? { onText: (part) => context.write(part) } : {});
      context.print(stream ? '' : text);
    } else await answerAll(context, chat, conversations, file);
    if (output !== undefined) context.print(output);
  } finally {
    chat.dispose();
  }
}

interface Conversation {
  readonly line: string;
  readonly where: string;
  readonly messages: readonly ChatMessage[];
}

/** Writes each line with its answer under `answer`, as soon as the answer is complete. */
async function answerAll(
  context: CommandContext,
  chat: Chat,
  conversations: readonly Conversation[],
  output: string | undefined,
): Promise<void> {
  const { DataError } = await import('@graft/core');
  if (output !== undefined) await writeFile(output, '');
  for (const { line, where, messages } of conversations) {
    const answer = await chat.answer(messages).catch((error: unknown) => {
      if (!(error instanceof DataError && error.code === 'chat.refused')) throw error;
      throw new DataError(`${where}: ${error.message}`, { code: error.code, exitCode: 2, cause: error });
    });
    // The line itself is not changed: parsing and writing it again may differ, for example in large numbers.
    const answered = `${line.trim().slice(0, -1).trimEnd()}, "answer": ${JSON.stringify(answer)}}`;
    if (output === undefined) context.print(answered);
    else await appendFile(output, `${answered}\n`);
  }
}

/** Throws DataError for a line that is not a conversation waiting for an answer. */
async function readConversations(file: string): Promise<Conversation[]> {
  const { DataError } = await import('@graft/core');
  const { JsonProblem, parseJson } = await import('@graft/core/internal');
  const { parseConversation, RowProblem } = await import('@graft/text');
  return (await readTexts(file)).map((line, i) => {
    const where = `${file}:${i + 1}`;
    const wrong = (problem: string): Error =>
      new DataError(`${where} ${problem}.`, { code: 'data.bad-line', exitCode: 2 });
    let object: unknown;
    let problem = '';
    try {
      object = parseJson(line);
    } catch (error) {
      if (!(error instanceof JsonProblem)) throw error;
      problem = `: ${error.what}`;
    }
    if (typeof object !== 'object' || object === null || Array.isArray(object))
      throw wrong(`should hold a JSON object, {"messages": [{"role": "user", "content": "…"}]}${problem}`);
    if (Object.hasOwn(object, 'answer')) throw wrong('has an "answer" already');
    try {
      const messages = parseConversation((object as { messages?: unknown }).messages, 'messages');
      const last = messages[messages.length - 1];
      if (last.role === 'assistant' || last.role === 'system')
        throw new RowProblem(`ends with a message of the role "${last.role}", to which there is nothing to say`);
      return { line, where, messages };
    } catch (error) {
      if (!(error instanceof RowProblem)) throw error;
      throw wrong(error.message);
    }
  });
}
