/** How each side of a model reads or writes conversations. */
import { DataError, type SideTokenizers, type Tokenizer } from '@graft/core';
import type { AnswerPair, ChatFormat, ChatMessage } from './chat-format';

/** The formats of the two sides: of what is read before an answer, and of the answer. With one tokenizer they are one. */
export interface SideFormats {
  readonly encoder: ChatFormat;
  readonly decoder: ChatFormat;
}

/** The folders of a tokenizer that may have a chat template. */
export function templateFolders(tokenizer: Tokenizer): string[] {
  const { folder } = tokenizer as { folder?: unknown };
  return typeof folder === 'string' ? [folder] : [];
}

/**
 * The formats by `open`, which gets a side's tokenizer and the folders in which its template may be; `more` are such
 * folders before that of the decoder's tokenizer. Each side has the
 * template next to its own tokenizer, whose special tokens it knows; an encoder without one has the decoder's.
 */
export async function sideFormats(
  { encoder, decoder }: SideTokenizers,
  open: (tokenizer: Tokenizer, folders: readonly string[]) => Promise<ChatFormat>,
  more: readonly string[] = [],
): Promise<SideFormats> {
  const folders = [...more, ...templateFolders(decoder)];
  const format = await open(decoder, folders);
  if (encoder === decoder) return { encoder: format, decoder: format };
  return { encoder: await open(encoder, [...templateFolders(encoder), ...folders]), decoder: format };
}

/** Answers as `ChatFormat.answers` gives them, each side's text in that side's format. */
export function answersOf(
  { encoder, decoder }: SideFormats,
  messages: readonly ChatMessage[],
  which: 'last' | 'every',
): AnswerPair[] {
  const written = decoder.answers(messages, which);
  if (encoder === decoder) return written;
  const read = encoder.answers(messages, which);
  if (read.length === written.length) return written.map(({ target }, i) => ({ source: read[i].source, target }));
  throw new DataError(
    `The chat templates of the two sides do not agree on a conversation: ${encoder.origin} marks ${read.length} answers, ${decoder.origin} ${written.length}.`,
    { code: 'chat.answers', exitCode: 2, hint: 'Name one template for both (`template`).' },
  );
}

/** Identifies the rendering. */
export function identityOf({ encoder, decoder }: SideFormats): string {
  return encoder === decoder ? decoder.identity : JSON.stringify([encoder.identity, decoder.identity]);
}
