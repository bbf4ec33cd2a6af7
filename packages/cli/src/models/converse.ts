import type { ChatMessage } from '@graft/text';
import { createInterface } from 'node:readline';
import type { AnswerHooks } from './chat';

export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

export interface Talk {
  /** The system message, which begins the conversation. */
  readonly system?: string;
  readonly answer: (messages: readonly ChatMessage[], hooks: AnswerHooks) => Promise<string>;
  /** Describes a failed turn for the user. */
  readonly describe: (error: unknown) => string;
}

const EXIT = '/exit';
const FORGET = '/new';

/**
 * A conversation at a terminal, turn by turn, until `/exit` or Ctrl-D. Ctrl-C stops an answer, whose text so far
 * remains; between answers it ends the conversation. A failed turn is removed.
 */
export async function converse({ input, output }: Terminal, { system, answer, describe }: Talk): Promise<void> {
  const beginning: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  let messages = [...beginning];
  let answering: AbortController | undefined;
  const lines = createInterface({ input, output, terminal: true, prompt: '> ' });
  lines.on('SIGINT', () => {
    if (answering) answering.abort();
    else lines.close();
  });
  output.write(`${EXIT} or Ctrl-D ends, ${FORGET} begins anew, Ctrl-C stops an answer.\n`);
  lines.prompt();
  for await (const line of lines) {
    const input = line.trim();
    if (input === EXIT) break;
    if (input === FORGET) messages = [...beginning];
    else if (input !== '') {
      const asked: ChatMessage[] = [...messages, { role: 'user', content: line }];
      answering = new AbortController();
      try {
        const onText = (text: string): unknown => output.write(text);
        const content = await answer(asked, { onText, signal: answering.signal });
        output.write(answering.signal.aborted ? ' [stopped]\n' : '\n');
        // A template may reject an empty turn, or two questions in a row.
        if (content !== '') messages = [...asked, { role: 'assistant', content }];
      } catch (error) {
        output.write(describe(error));
      } finally {
        answering = undefined;
      }
    }
    lines.prompt();
  }
  lines.close();
}
