/** The options of datasets that render conversations, and what they mean. */
import { DataError, pathOption, type Tokenizer } from '@graft/core';
import { z } from 'zod';
import { RowProblem } from '../rows/rows';
import { ChatFormat, GEMMA_MARKERS, type AnswerPair, type ChatMessage } from './chat-format';
import { findChatTemplate, openChatFormat } from './open-chat-format';
import type { SideFormats } from './side-formats';

/** How conversations become text. */
export const formatOptions = {
  template: pathOption()
    .optional()
    .describe("A chat template, or a folder that has one. Default: the tokenizer's own, otherwise Gemma's markup."),
  templateName: z
    .string()
    .min(1)
    .optional()
    .describe('Name of the template, if there are several. Default: `default`.'),
  date: z.iso.date().optional().describe('The date for a template that asks for it, as `2026-01-31`. Default: today.'),
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
};

/** The same with every default filled in. */
export type ChatFormatSettings = z.output<z.ZodObject<typeof formatOptions>>;

/** Reports markers beside a template, of which one would not count. */
export function checkMarkers(
  { markers, template, templateName }: ChatFormatSettings,
  context: z.core.$RefinementCtx,
): void {
  if (!markers || (template === undefined && templateName === undefined)) return;
  const message = "is for Gemma's markup; leave it out, or template and templateName";
  context.addIssue({ code: 'custom', path: ['markers'], message });
}

/** The format of what a side reads or writes of conversations, from the options or files next to its tokenizer. */
export async function formatOf(
  options: ChatFormatSettings,
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

/** Throws RowProblem for a special token that the text of a message spells out; `key` names the messages. */
export function refuseControls(format: SideFormats, messages: readonly ChatMessage[], key: string): void {
  for (const [i, message] of messages.entries()) {
    const token = format.encoder.specialWithin(message) ?? format.decoder.specialWithin(message);
    if (token !== undefined)
      throw new RowProblem(`${key}.${i}: has the special token "${token}" within its text, which would become one`);
  }
}

/** An error of the template is reported with the conversation's place. */
export function pairsOf(render: () => AnswerPair[]): AnswerPair[] {
  try {
    return render();
  } catch (error) {
    if (!(error instanceof DataError && error.code.startsWith('chat.'))) throw error;
    throw new RowProblem(`cannot be rendered. ${error.message.replace(/\.$/, '')}`);
  }
}
