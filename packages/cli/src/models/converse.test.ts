import type { ChatMessage } from '@graft/text';
import { PassThrough } from 'node:stream';
import type { AnswerHooks } from './chat';
import { converse, type Talk } from './converse';

const CTRL_C = '\x03';
const CTRL_D = '\x04';

/** Types each text as soon as the output holds what it waits for. */
async function talk(
  script: readonly (readonly [awaited: string, typed: string])[],
  answer: (messages: readonly ChatMessage[], hooks: AnswerHooks) => Promise<string>,
  options: Partial<Talk> = {},
): Promise<string> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  let shown = '';
  let from = 0;
  const left = [...script];
  output.on('data', (part: Buffer) => {
    shown += part.toString();
    while (left.length > 0) {
      const at = shown.indexOf(left[0][0], from);
      if (at < 0) break;
      from = at + left[0][0].length;
      const [[, typed]] = left.splice(0, 1);
      setImmediate(() => input.write(typed));
    }
  });
  await converse(
    { input, output },
    { answer, describe: (error) => `graft: ${(error as Error).message}\n`, ...options },
  );
  expect(left).toEqual([]);
  return shown;
}

test('a conversation streams each answer with all earlier turns as context until /exit', async () => {
  const requests: (readonly ChatMessage[])[] = [];
  const shown = await talk(
    [
      ['> ', 'one\r'],
      ['say 1', '  \r'],
      ['> ', 'two\r'],
      ['say 3', '/new\r'],
      ['> ', 'three\r'],
      ['say 1', '/exit\r'],
    ],
    (messages, { onText }) => {
      requests.push(messages);
      onText?.('say ');
      onText?.(String(messages.length - 1));
      return Promise.resolve(`say ${messages.length - 1}`);
    },
    { system: 'Be short.' },
  );
  const system = { role: 'system', content: 'Be short.' };
  const message = (role: string, content: string): ChatMessage => ({ role, content });
  expect(requests).toEqual([
    [system, message('user', 'one')],
    [system, message('user', 'one'), message('assistant', 'say 1'), message('user', 'two')],
    [system, message('user', 'three')],
  ]);
  expect(shown).toContain('say 3\n');
});

test('Ctrl-C stops an answer and keeps its text, and Ctrl-D ends the conversation', async () => {
  const requests: number[] = [];
  const shown = await talk(
    [
      ['> ', 'one\r'],
      ['begun', CTRL_C],
      ['[stopped]', 'two\r'],
      ['done', CTRL_D],
    ],
    async (messages, { onText, signal }) => {
      requests.push(messages.length);
      if (messages.length > 1) {
        onText?.('done');
        return 'done';
      }
      onText?.('begun');
      await new Promise<void>((resolve) => signal!.addEventListener('abort', () => resolve()));
      return 'begun';
    },
  );
  expect(requests).toEqual([1, 3]);
  expect(shown).toContain('begun [stopped]\n');
});

test('Ctrl-C between answers ends the conversation', async () => {
  await talk([['> ', CTRL_C]], () => Promise.reject(new Error('never asked')));
});

test('a failed turn is reported and removed from the conversation', async () => {
  const requests: number[] = [];
  const shown = await talk(
    [
      ['> ', 'one\r'],
      ['refused', 'two\r'],
      ['fine', CTRL_D],
    ],
    (messages, { onText }) => {
      requests.push(messages.length);
      if (requests.length === 1) return Promise.reject(new Error('It is refused.'));
      onText?.('fine');
      return Promise.resolve('fine');
    },
  );
  expect(requests).toEqual([1, 1]);
  expect(shown).toContain('graft: It is refused.\n');
});
