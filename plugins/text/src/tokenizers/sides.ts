import { asEncoderTokenizer } from '@graft/checkpoint';
import { componentOption, DataError, defineComponent, type NamedToken, type Tokenizer } from '@graft/core';
import { z } from 'zod';

/** The options of the tokenizer `sides`. */
export const sidesOptions = z.strictObject({
  encoder: componentOption('tokenizer').describe('The tokenizer of what the encoder reads.'),
  decoder: componentOption('tokenizer').describe('The tokenizer of what the decoder reads and writes.'),
});

/** What a config or code may write. */
export type SidesOptions = z.input<typeof sidesOptions>;
/** The same with every default filled in. */
export type ResolvedSidesOptions = z.output<typeof sidesOptions>;

/**
 * A tokenizer for each side of a model. By itself it is the decoder's; `encoderSide`, which `sidesOf` reads, is the
 * encoder's.
 */
export class SidesTokenizer implements Tokenizer {
  /** Whether long documents may be cut for the decoder; present if its tokenizer tells. */
  readonly separates?: (before: string, after: string) => boolean;

  constructor(
    readonly encoderSide: Tokenizer,
    private readonly decoder: Tokenizer,
  ) {
    this.separates = decoder.separates?.bind(decoder);
  }

  get vocabularySize(): number {
    return this.decoder.vocabularySize;
  }
  get padId(): number {
    return this.decoder.padId;
  }
  get bosId(): number {
    return this.decoder.bosId;
  }
  get eosId(): number {
    return this.decoder.eosId;
  }
  get namedTokens(): readonly NamedToken[] | undefined {
    return this.decoder.namedTokens;
  }

  /** The folder with the decoder's files; a chat template may be next to them. */
  get folder(): string | undefined {
    const { folder } = this.decoder as { folder?: unknown };
    return typeof folder === 'string' ? folder : undefined;
  }

  encode(text: string): Int32Array {
    return this.decoder.encode(text);
  }

  decode(ids: ArrayLike<number>, options?: { keepSpecial?: boolean }): string {
    return this.decoder.decode(ids, options);
  }

  /** Those of the decoder's tokenizer, and as `encoder_tokenizer/NAME` those of the encoder's. */
  async files(): Promise<Readonly<Record<string, string | Uint8Array>>> {
    const [decoder, encoder] = await Promise.all([this.decoder.files?.(), this.encoderSide.files?.()]);
    return { ...decoder, ...asEncoderTokenizer(encoder ?? {}) };
  }
}

export const sides = defineComponent({
  interface: 'tokenizer',
  id: 'sides',
  description: 'a tokenizer for each side: the encoder reads text by one, the decoder writes it by another',
  options: sidesOptions,
  impliedBy: ['encoder', 'decoder'],
  useFactory: async ({ options, components }) => {
    const encoder = await components.create('tokenizer', options.encoder, 'encoder');
    const decoder = await components.create('tokenizer', options.decoder, 'decoder');
    const nested = (['encoder', 'decoder'] as const).find((side) => ({ encoder, decoder })[side].encoderSide);
    if (nested !== undefined)
      throw new DataError(`tokenizer.${nested} has a tokenizer for each side itself; a side has one.`, {
        code: 'tokenizer.sides',
        exitCode: 2,
        hint: `Name the tokenizer of the ${nested} there.`,
      });
    return new SidesTokenizer(encoder, decoder);
  },
});
