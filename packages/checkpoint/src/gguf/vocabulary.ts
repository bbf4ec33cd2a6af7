import { shownJson } from '@graft/errors';
import type { GgufMetadata, GgufNumbers } from './metadata';
import { malformedGguf } from './problems';

/** Types of tokens, as llama.cpp numbers them. */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, user: 4, unused: 5, byte: 6 } as const;

/** Longest token in UTF-16 units; the longest published ones are a few hundred spaces. */
const LONGEST_TOKEN = 1024;

/** What a sequence may begin or end with, and what fills it up. */
export type SpecialKind = 'bos' | 'eos' | 'eot' | 'eom' | 'unknown' | 'padding';

/** A file's tokens, by id. */
export class Vocabulary {
  private constructor(
    readonly file: string,
    private readonly metadata: GgufMetadata,
    readonly tokens: readonly string[],
    private readonly types: GgufNumbers | undefined,
  ) {}

  /** Throws CheckpointError for tokens that are missing, twice there, or contradict the `size` of the embedding. */
  static read(file: string, metadata: GgufMetadata, size: number): Vocabulary {
    const tokens = metadata.texts('tokenizer.ggml.tokens');
    if (!tokens) throw malformedGguf(file, 'it lacks the key "tokenizer.ggml.tokens"');
    if (tokens.length !== size)
      throw malformedGguf(file, `it names ${tokens.length} tokens, but its embedding has ${size} rows`);
    const types = metadata.numbers('tokenizer.ggml.token_type');
    if (types && types.length !== size)
      throw malformedGguf(file, `it gives types of ${types.length} tokens, but names ${size}`);
    const named = new Set<string>();
    for (const token of tokens) {
      if (token.length > LONGEST_TOKEN)
        throw malformedGguf(file, `it has a token of ${token.length} characters, expected at most ${LONGEST_TOKEN}`);
      if (named.has(token)) throw malformedGguf(file, `it names the token ${shownJson(token, '', 60)} twice`);
      named.add(token);
    }
    return new Vocabulary(file, metadata, tokens, types);
  }

  /** The type of a token; normal where the file does not say it. */
  type(id: number): number {
    return this.types?.[id] ?? TOKEN_TYPE.normal;
  }

  /** Whether a token only fills up the embedding: converters name such rows `[PAD151700]`. */
  isFiller(id: number): boolean {
    return this.type(id) === TOKEN_TYPE.unused && this.tokens[id] === `[PAD${id}]`;
  }

  /** A special token's id. Undefined if the file names none; throws CheckpointError if it is outside of the vocabulary. */
  special(kind: SpecialKind): number | undefined {
    const key = `tokenizer.ggml.${kind}_token_id`;
    const id = this.metadata.integer(key);
    if (id === undefined || id < this.tokens.length) return id;
    throw malformedGguf(this.file, `its key "${key}" is ${id}, expected a token below ${this.tokens.length}`);
  }

  /** The ids that end a sequence, the usual one first. */
  get ends(): readonly number[] {
    const ends = [this.special('eos'), this.special('eot'), this.special('eom'), ...this.turnEnds()];
    return [...new Set(ends.filter((id) => id !== undefined))];
  }

  /** Ends of turns that the chat template writes, which files do not mark: instruction-tuned models stop at them. */
  private turnEnds(): number[] {
    const template = this.metadata.text('tokenizer.chat_template') ?? '';
    return TURN_ENDS.filter((token) => template.includes(token))
      .map((token) => this.tokens.indexOf(token))
      .filter((id) => id >= 0 && this.type(id) === TOKEN_TYPE.control);
  }
}

const TURN_ENDS = ['<end_of_turn>', '<|im_end|>', '<|eot_id|>'];
