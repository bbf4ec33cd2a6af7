import type { HostFields, SideTokenizers } from '@graft/core';
import type { ChatMessage, SideFormats } from '@graft/text';
import type { CommandContext } from '../commands/shared/context';
import { Decoder, type DecoderOptions } from './decoder';
import { noteSpecialTokens } from './model-texts';
import { NewText } from './new-text';
import { openTokenizers } from './open-tokenizer';
import { CommandLineError } from '../output/command-line-error';

export interface ChatOptions extends DecoderOptions {
  readonly tokenizer?: string;
  readonly encoderTokenizer?: string;
  readonly chatTemplate?: string;
  readonly stop?: readonly string[];
}

/** Maximum number of new tokens of an answer if neither the user nor the checkpoint sets it. */
const DEFAULT_ANSWER_TOKENS = 1024;
/** Prompts are padded to multiples of this many tokens: every new length is compiled again. */
const LENGTH_STEP = 64;

export interface AnswerHooks {
  /** Receives the answer's text while it is generated. */
  readonly onText?: (text: string) => void;
  /** Aborting it ends the answer with the text so far. */
  readonly signal?: AbortSignal;
}

/** Answers conversations with one model, by the chat template of its folder. */
export class Chat {
  private answers = 0;

  private constructor(
    private readonly context: CommandContext,
    private readonly decoder: Decoder,
    private readonly tokenizers: SideTokenizers,
    private readonly formats: SideFormats,
    private readonly options: ChatOptions,
  ) {}

  /** The caller disposes it. */
  static async open(context: CommandContext, options: ChatOptions): Promise<Chat> {
    const { findChatTemplate, openChatFormat, sideFormats } = await import('@graft/text');
    const decoder = await Decoder.open(context, options);
    try {
      const opened = await openTokenizers(context, options, decoder.engine);
      // A decoder-only model reads by its own.
      const tokenizers = decoder.model.kind === 'decoder-only' ? { ...opened, encoder: opened.decoder } : opened;
      const asked = options.chatTemplate;
      const formats = await sideFormats(
        tokenizers,
        async (tokenizer, folders) => {
          if (asked === undefined) return openChatFormat(folders, tokenizer);
          const found = await findChatTemplate(asked, tokenizer);
          if (!found) throw new CommandLineError(`${asked} holds no chat template.`);
          return found;
        },
        [options.model],
      );
      const origins = new Set([formats.encoder.origin, formats.decoder.origin]);
      context.note(`Chat template: ${[...origins].join(', answers by ')}.`);
      await noteSpecialTokens(context, decoder.model, tokenizers);
      return new Chat(context, decoder, tokenizers, formats, options);
    } catch (error) {
      decoder.dispose();
      throw error;
    }
  }

  /** The model's answer to a conversation, without the end of its turn. Throws DataError if the template rejects it. */
  async answer(messages: readonly ChatMessage[], { onText, signal }: AnswerHooks = {}): Promise<string> {
    const { model } = this.decoder;
    const { generationOf, modelInput, tokensOfSide } = await import('@graft/core');
    const generation = generationOf(model);
    const { tokenizers, formats, options } = this;
    for (const message of messages) {
      const token = formats.encoder.specialWithin(message);
      if (token !== undefined)
        this.context.note(`A message spells out "${token}", which the model reads as markup, not as text.`);
    }
    const ids = modelInput(model, tokenizers.encoder.encode(formats.encoder.prompt(messages)));
    const end = formats.decoder.endOfTurn();
    // End tokens of the user replace all others; the end of a turn is added to those of the checkpoint.
    const stops = [...(options.stop ?? []), ...(end.text !== undefined && !options.eos ? [end.text] : [])];
    const isKnown = end.token !== undefined && end.token < model.vocabularySize;
    const text = new NewText(tokenizers.decoder, model.kind === 'decoder-only' ? ids.length : 1, stops);
    const limited = generation.maxNewTokens !== undefined || generation.maxLength !== undefined;
    const [row] = await this.decoder.sequences(
      inputOf(
        ids,
        tokensOfSide(model, 'encoder').specialTokens.pad,
        generation.maxLength === undefined ? LENGTH_STEP : 1,
      ),
      {
        eos: isKnown ? [...new Set([...generation.eos, end.token])] : generation.eos,
        maxNewTokens: limited ? undefined : DEFAULT_ANSWER_TOKENS,
        shouldStop: stops.length > 0 ? (tokens) => text.isOver(tokens) : undefined,
        onToken: onText && (({ tokens }) => onText(text.more(tokens[0]))),
        signal,
        seed: (options.seed ?? 0) + this.answers++,
      },
    );
    onText?.(text.rest());
    return text.of(row).trim();
  }

  dispose(): void {
    this.decoder.dispose();
  }
}

/** One row of token ids, padded on the left to a multiple of `step`. */
function inputOf(ids: Int32Array, pad: number, step: number): HostFields {
  const length = Math.ceil(ids.length / step) * step;
  const values = new Int32Array(length).fill(pad);
  values.set(ids, length - ids.length);
  const mask = new Int32Array(length).fill(1, length - ids.length);
  const shape = [1, length];
  return {
    input_ids: { dtype: 'int32', shape, values },
    attention_mask: { dtype: 'int32', shape, values: mask },
  };
}
