/** Conversations as they are stored in files. */
import type { ChatMessage } from './chat-format';
import { RowProblem } from '../rows/rows';

/** Messages of one conversation: each answer may be read with everything before it. */
const MOST_MESSAGES = 10_000;

/** Other names of the usual roles; all other roles are left to the template. */
const ROLES: Readonly<Record<string, string>> = { human: 'user', gpt: 'assistant', model: 'assistant' };

/**
 * A list of messages, each `{ role, content }` or `{ from, value }`; `key` names it in problems. Other fields of a
 * message are kept for the template. Throws RowProblem.
 */
export function parseConversation(messages: unknown, key: string): ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new RowProblem(`should have a list of turns under "${key}"`);
  if (messages.length > MOST_MESSAGES)
    throw new RowProblem(`has ${messages.length} messages under "${key}"; Graft takes at most ${MOST_MESSAGES}`);
  return messages.map((message: unknown, i) => parseMessage(message, `${key}.${i}`));
}

/** Like `parseConversation`, for conversations whose last message is an answer. */
export function parseAnsweredConversation(messages: unknown, key: string): ChatMessage[] {
  const parsed = parseConversation(messages, key);
  if (parsed.every(({ role }) => role === 'system'))
    throw new RowProblem(`has nothing but a system message under "${key}"`);
  if (parsed[parsed.length - 1].role !== 'assistant')
    throw new RowProblem(`ends with a question under "${key}"; nothing answers it`);
  return parsed;
}

function parseMessage(message: unknown, where: string): ChatMessage {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) throw malformed(where);
  const { role, content, from, value, ...more } = message as Readonly<Record<string, unknown>>;
  const who = role ?? from;
  const what = (content ?? value) as string | readonly unknown[] | null | undefined;
  const calls = Array.isArray(more.tool_calls) && more.tool_calls.length > 0;
  if (typeof who !== 'string') throw malformed(where);
  const isText = typeof what === 'string' || Array.isArray(what) || (calls && (what === undefined || what === null));
  if (!isText) throw malformed(where);
  const isEmpty = typeof what === 'string' ? what.trim() === '' : (what ?? []).length === 0;
  if (isEmpty && !calls) throw new RowProblem(`${where}: the content is empty`);
  return { ...more, role: Object.hasOwn(ROLES, who) ? ROLES[who] : who, content: what };
}

const malformed = (where: string): RowProblem => new RowProblem(`${where}: expected { role, content } with texts`);
