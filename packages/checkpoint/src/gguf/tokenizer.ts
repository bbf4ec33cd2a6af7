import { shownJson } from '@graft/errors';
import type { GgufMetadata } from './metadata';
import { wordSplit } from './pre-tokenizers';
import { malformedGguf, unsupportedGguf } from './problems';
import { piecesOf, scoredMerges, SPACE } from './scored-merges';
import { TOKEN_TYPE, Vocabulary } from './vocabulary';

type Json = Readonly<Record<string, unknown>>;

/** A file's tokenizer in the form of a Hugging Face folder. */
export interface ImportedTokenizer {
  /** tokenizer.json, tokenizer_config.json and, where the file has one, chat_template.jinja. */
  readonly files: Readonly<Record<string, string>>;
  /** Ids for config.json and generation_config.json; only those that the file names. */
  readonly ids: { readonly bos?: number; readonly pad?: number; readonly ends: readonly number[] };
  /** Whether texts begin with BOS. */
  readonly addsBos: boolean;
  /** Sentences about what the file leaves open. */
  readonly notes: readonly string[];
}

/**
 * The tokenizer of a file: SentencePiece-like scores (`llama`), or byte-level merges (`gpt2`). Throws CheckpointError
 * for another kind, and for one that cuts texts in a way that Graft does not know. `size`: rows of the embedding.
 */
export function importTokenizer(file: string, metadata: GgufMetadata, size: number): ImportedTokenizer {
  const kind = metadata.text('tokenizer.ggml.model');
  if (kind !== 'llama' && kind !== 'gpt2')
    throw unsupportedGguf(
      file,
      `its tokenizer is ${kind === undefined ? 'missing' : shownJson(kind, '', 60)}; Graft reads "llama" (scores) and "gpt2" (byte-level merges)`,
    );
  const vocabulary = Vocabulary.read(file, metadata, size);
  const notes: string[] = [];
  const parts = kind === 'llama' ? scoredParts(vocabulary, metadata) : byteLevelParts(vocabulary, metadata);
  const names = specialNames(vocabulary, notes);
  const addsBos = (metadata.flag('tokenizer.ggml.add_bos_token') ?? parts.addsBos) && names.bos !== undefined;
  const addsEos = (metadata.flag('tokenizer.ggml.add_eos_token') ?? false) && names.eos !== undefined;
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary, parts.pieces),
    normalizer: parts.normalizer,
    pre_tokenizer: parts.preTokenizer,
    post_processor: postProcessor(vocabulary, addsBos ? names.bos : undefined, addsEos ? names.eos : undefined),
    decoder: parts.decoder,
    model: parts.model,
  };
  const template = metadata.text('tokenizer.chat_template');
  const text = (id: number | undefined): string | undefined => (id === undefined ? undefined : parts.pieces[id]);
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: text(names.bos),
    eos_token: text(names.eos),
    pad_token: text(names.pad),
    unk_token: text(vocabulary.special('unknown')),
    add_bos_token: addsBos,
    add_eos_token: addsEos,
    clean_up_tokenization_spaces: false,
    model_max_length: 1e30,
  };
  return {
    files: {
      'tokenizer.json': JSON.stringify(tokenizer),
      'tokenizer_config.json': `${JSON.stringify(config, null, 2)}\n`,
      ...(template === undefined ? {} : { 'chat_template.jinja': template }),
    },
    ids: { bos: vocabulary.special('bos'), pad: vocabulary.special('padding'), ends: vocabulary.ends },
    addsBos,
    notes,
  };
}

/** The tokens that a tokenizer needs: where the file names none, another takes its place. */
function specialNames(vocabulary: Vocabulary, notes: string[]): { bos?: number; eos?: number; pad?: number } {
  const eos = vocabulary.special('eos') ?? vocabulary.ends[0];
  const name = (id: number): string => shownJson(vocabulary.tokens[id], '', 60);
  const instead = (kind: string, id: number | undefined): number | undefined => {
    if (id !== undefined) notes.push(`${vocabulary.file} names no ${kind} token; ${name(id)} takes its place.`);
    return id;
  };
  const bos = vocabulary.special('bos') ?? instead('BOS', eos);
  return { bos, eos, pad: vocabulary.special('padding') ?? instead('padding', eos) };
}

interface TokenizerParts {
  /** Tokens as tokenizer.json spells them. */
  readonly pieces: readonly string[];
  readonly normalizer: Json | null;
  readonly preTokenizer: Json | null;
  readonly decoder: Json;
  readonly model: Json;
  readonly addsBos: boolean;
}

const bpe = (vocab: Json, merges: readonly (readonly [string, string])[], more: Json): Json => ({
  type: 'BPE',
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
  ...more,
  vocab,
  merges,
});

/** SentencePiece's merging by scores, as merges in the order of the scores; unknown characters become bytes. */
function scoredParts(vocabulary: Vocabulary, metadata: GgufMetadata): TokenizerParts {
  const { file, tokens } = vocabulary;
  const scores = metadata.numbers('tokenizer.ggml.scores');
  if (scores?.length !== tokens.length)
    throw malformedGguf(file, `it gives scores of ${scores?.length ?? 0} tokens, but names ${tokens.length}`);
  if (metadata.flag('tokenizer.ggml.remove_extra_whitespaces'))
    throw unsupportedGguf(file, 'its tokenizer removes spaces ("tokenizer.ggml.remove_extra_whitespaces")');
  const pieces = piecesOf(vocabulary);
  const bytes = tokens.filter((_, id) => vocabulary.type(id) === TOKEN_TYPE.byte).length;
  if (bytes !== 0 && bytes !== 256)
    throw malformedGguf(file, `its vocabulary has ${bytes} tokens for single bytes, expected 256 or none`);
  const unknown = vocabulary.special('unknown');
  const prefixes = metadata.flag('tokenizer.ggml.add_space_prefix') ?? true;
  const replaceSpaces = { type: 'Replace', pattern: { String: ' ' }, content: SPACE };
  const decoders: Json[] = [
    { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ];
  return {
    pieces,
    normalizer: prefixes
      ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: SPACE }, replaceSpaces] }
      : replaceSpaces,
    preTokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: prefixes ? [...decoders, { type: 'Strip', content: ' ', start: 1, stop: 0 }] : decoders,
    },
    model: bpe(vocabOf(vocabulary, pieces), scoredMerges(vocabulary, pieces, scores), {
      unk_token: unknown === undefined ? null : pieces[unknown],
      fuse_unk: true,
      byte_fallback: bytes === 256,
    }),
    addsBos: true,
  };
}

/** GPT-2's merging of bytes, which the file lists. */
function byteLevelParts(vocabulary: Vocabulary, metadata: GgufMetadata): TokenizerParts {
  const { file, tokens } = vocabulary;
  const { normalizer, preTokenizer, ignoresMerges, addsBos } = wordSplit(file, metadata.text('tokenizer.ggml.pre'));
  const listed = metadata.texts('tokenizer.ggml.merges');
  if (!listed) throw malformedGguf(file, 'it lacks the key "tokenizer.ggml.merges"');
  const known = new Set(tokens);
  const merges = listed.map((merge, i): [string, string] => {
    const at = merge.indexOf(' ', 1);
    const pair: [string, string] = [merge.slice(0, at), merge.slice(at + 1)];
    if (at > 0 && [...pair, pair.join('')].every((token) => known.has(token))) return pair;
    throw malformedGguf(file, `its merge ${i}, ${shownJson(merge, '', 60)}, does not join two tokens to one`);
  });
  const decoder = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
  return {
    pieces: tokens,
    normalizer,
    preTokenizer,
    decoder,
    model: bpe(vocabOf(vocabulary, tokens), merges, { ignore_merges: ignoresMerges }),
    addsBos,
  };
}

const isAdded = (vocabulary: Vocabulary, id: number): boolean =>
  ([TOKEN_TYPE.control, TOKEN_TYPE.user, TOKEN_TYPE.unknown] as number[]).includes(vocabulary.type(id));

/** Ids by token, without those that only fill up the embedding. */
function vocabOf(vocabulary: Vocabulary, pieces: readonly string[]): Json {
  const entries = pieces.map((piece, id): [string, number] => [piece, id]);
  // Unlike assignment, it accepts any name, "__proto__" too.
  return Object.fromEntries(entries.filter(([, id]) => !vocabulary.isFiller(id)));
}

/** Tokens that are looked for in the text itself. */
function addedTokens(vocabulary: Vocabulary, pieces: readonly string[]): Json[] {
  return pieces.flatMap((content, id) =>
    isAdded(vocabulary, id)
      ? [
          {
            id,
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: vocabulary.type(id) !== TOKEN_TYPE.user,
          },
        ]
      : [],
  );
}

/** What is put around a text; nothing if neither BOS nor EOS is. */
function postProcessor({ tokens }: Vocabulary, bos: number | undefined, eos: number | undefined): Json | null {
  const around = [bos, eos].filter((id) => id !== undefined);
  if (around.length === 0) return null;
  const special = (id: number | undefined, type_id: number): Json[] =>
    id === undefined ? [] : [{ SpecialToken: { id: tokens[id], type_id } }];
  const one = (id: string, type_id: number): Json[] => [
    ...special(bos, type_id),
    { Sequence: { id, type_id } },
    ...special(eos, type_id),
  ];
  return {
    type: 'TemplateProcessing',
    single: one('A', 0),
    pair: [...one('A', 0), ...one('B', 1)],
    special_tokens: Object.fromEntries(
      around.map((id) => [tokens[id], { id: tokens[id], ids: [id], tokens: [tokens[id]] }]),
    ),
  };
}
