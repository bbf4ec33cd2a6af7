/** The decoder-only checkpoints that become an encoder-decoder, and the architecture that they become. */
import { asEncoderTokenizer, CheckpointReader, readTokenizerFiles } from '@graft/checkpoint';
import { ENCODER_TOKENIZER_SECTION, readTokenizerRecord, TOKENIZER_SECTION } from '@graft/checkpoint';
import { CheckpointError, ConfigError } from '@graft/core';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { familyOf } from '../families';
import { checkPair } from '../families/pair';
import { T5GEMMA2_KEYS } from '../families/t5gemma2';
import { adaptedGenerationConfig, generationDefaults, readGenerationConfig } from '../generate/generation-defaults';
import { checkDeclared, storedName } from '../load/declared-tensors';
import { checkSharedTable } from '../load/shared-table';
import { readModelConfig } from '../model/config';
import type { DecoderOnlyConfig, EncoderDecoderConfig, GemmaOptions, SideConfig } from '../model/config-types';
import { checkPreserving } from '../model/preserving-form';
import type { ModelNames, SideNames } from '../model/names';
import type { ExpandedHeads, ExpandHeads } from './expanded-heads';
import { formOf, type FormChoices, type PairForm } from './form';
import type { Side } from './name-mapping';
import { commonDtype } from './stream-checkpoint';

/** What decides the architecture besides the sources. */
export interface SourceOptions extends FormChoices, Pick<GemmaOptions, 'encoderWindow'> {
  readonly expandHeads?: ExpandHeads;
}

/** The files of tokenizers next to the new weights, and the sections of graft.json about them. */
export interface AdaptedTokenizers {
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly record: Readonly<Record<string, unknown>>;
  /** Each side has its own. */
  readonly areTwo: boolean;
}

type Models = Readonly<Record<Side, DecoderOnlyConfig>>;

/** The two decoder-only checkpoints that become an encoder-decoder. If they are the same, it is opened once. */
export class AdaptSources {
  private constructor(
    readonly encoder: CheckpointReader,
    readonly decoder: CheckpointReader,
    private readonly models: Models,
    /** The encoder-decoder's configuration: each side from its source's config.json, except for expanded heads. */
    readonly config: EncoderDecoderConfig,
    readonly form: PairForm,
    /** The encoder's key/value heads if they are to be repeated; otherwise undefined. */
    readonly expanded?: ExpandedHeads,
  ) {}

  /** Throws if a folder is not a decoder-only model, or if the two do not fit together. */
  static async open(
    encoderPath: string,
    decoderPath = encoderPath,
    options: SourceOptions = {},
  ): Promise<AdaptSources> {
    const encoder = await CheckpointReader.open(encoderPath);
    let decoder = encoder;
    try {
      if (resolve(decoderPath) !== resolve(encoderPath)) decoder = await CheckpointReader.open(decoderPath);
      const models = { decoder: await readDecoderOnly(decoder), encoder: await readDecoderOnly(encoder) };
      const form = formOf(models.encoder, models.decoder, options, encoder === decoder);
      const where = `${encoderPath} and ${decoderPath} do not go together`;
      const { config, expanded } = pairOf(models, form, options, await encoder.config());
      const { ownVocabularies } = familyOf(form);
      checkPair(config.encoder, config.decoder, { ...form, ownVocabularies }, where);
      if (config.functionPreserving) checkPreserving(config, encoderPath);
      return new AdaptSources(encoder, decoder, models, config, form, expanded);
    } catch (error) {
      await encoder.close();
      if (decoder !== encoder) await decoder.close();
      throw error;
    }
  }

  get readers(): readonly CheckpointReader[] {
    return this.encoder === this.decoder ? [this.encoder] : [this.encoder, this.decoder];
  }

  /** The sources' stored dtype if all their tensors agree, otherwise float32. */
  get commonDtype(): 'F32' | 'F16' | 'BF16' {
    return commonDtype(this.readers);
  }

  /** The names of each side's layers in its checkpoint. */
  get names(): Readonly<Record<Side, SideNames>> {
    return { encoder: this.namesOf('encoder').decoder, decoder: this.namesOf('decoder').decoder };
  }

  /** Layers of a side's checkpoint. */
  layers(side: Side): number {
    return this.models[side].decoder.layers;
  }

  /** A parameter of a side's decoder-only model, as its checkpoint calls it. */
  stored(side: Side, name: string): string {
    return storedName(name, this[side], this.models[side]);
  }

  /** Throws ConfigError if two checkpoints should share one table and have different ones, or different tokenizers. */
  async checkSharedTable(): Promise<void> {
    if (this.encoder === this.decoder) return;
    const tableOf = (side: Side): { reader: CheckpointReader; name: string } => ({
      reader: this[side],
      name: this.stored(side, this.namesOf(side).decoderTable),
    });
    await checkSharedTable(tableOf('encoder'), tableOf('decoder'));
    if (!(await this.tokenizers()).areTwo) return;
    const [encoder, decoder] = this.readers.map(({ path }) => path);
    throw new ConfigError(
      `tieEncoderEmbedding asks for one embedding table, but the tokenizers of ${encoder} and ${decoder} differ.`,
      { code: 'gemma.tied-tokenizers', hint: 'Leave tieEncoderEmbedding out: each side then has its own table.' },
    );
  }

  /**
   * The decoder's generation_config.json, adapted to the encoder-decoder. Throws CheckpointError if it is malformed.
   */
  async generationConfig(): Promise<Record<string, unknown> | undefined> {
    const found = await readGenerationConfig(this.decoder, this.config);
    if (!found) return undefined;
    generationDefaults(this.config, found.json, found.where);
    return adaptedGenerationConfig(this.config, found.json);
  }

  /** The decoder's tokenizer, and the encoder's in a folder of its own if it cuts texts differently. */
  async tokenizers(): Promise<AdaptedTokenizers> {
    const { encoder, decoder } = this;
    const files = await readTokenizerFiles(decoder.path);
    const record = { [TOKENIZER_SECTION]: await readTokenizerRecord(decoder.path) };
    if (encoder === decoder) return { files, record, areTwo: false };
    const own = await readTokenizerFiles(encoder.path);
    const ofEncoder = await readTokenizerRecord(encoder.path);
    const areTwo =
      Object.keys(own).length > 0 &&
      Object.keys(files).length > 0 &&
      !(isDeepStrictEqual(ofEncoder, record[TOKENIZER_SECTION]) && areAlike(own, files, ofEncoder?.files));
    if (!areTwo) return { files, record, areTwo };
    return {
      files: { ...files, ...asEncoderTokenizer(own) },
      record: { ...record, [ENCODER_TOKENIZER_SECTION]: ofEncoder },
      areTwo,
    };
  }

  async close(): Promise<void> {
    for (const reader of this.readers) await reader.close();
  }

  private namesOf(side: Side): ModelNames {
    return familyOf(this.models[side]).names;
  }
}

type Files = Readonly<Record<string, Uint8Array>>;

/** Files that decide how texts become ids, the first that both have; the others concern templates and defaults. */
const VOCABULARY_FILES: readonly string[] = ['tokenizer.json', 'tokenizer.model'];

/** Whether two tokenizers cut texts alike: by what their files contain, not by how they are formatted. */
function areAlike(one: Files, two: Files, recorded: readonly string[] = VOCABULARY_FILES): boolean {
  const names = recorded.filter((name) => name in one && name in two);
  if (names.length === 0) return false;
  const decisive = recorded === VOCABULARY_FILES ? names.slice(0, 1) : names;
  return decisive.every((name) => {
    if (Buffer.compare(one[name], two[name]) === 0) return true;
    return name.endsWith('.json') && isDeepStrictEqual(parsed(one[name]), parsed(two[name]));
  });
}

/** A file that is not JSON is unlike any other: whoever opens the tokenizer reports it. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
  } catch {
    return Symbol('not JSON');
  }
}

function pairOf(
  models: Models,
  { family, crossAttention, tieEncoderEmbedding, functionPreserving }: PairForm,
  { encoderWindow, expandHeads }: SourceOptions,
  encoderJson: Readonly<Record<string, unknown>>,
): { readonly config: EncoderDecoderConfig; readonly expanded?: ExpandedHeads } {
  const { encoder, decoder } = models;
  const { heads, keyValueHeads } = encoder.decoder;
  const expanded = expandHeads === 'encoder' && keyValueHeads < heads ? { from: keyValueHeads, to: heads } : undefined;
  const layout = familyOf({ family });
  const sideOf = (model: DecoderOnlyConfig): SideConfig => ({
    ...model.decoder,
    ...(layout.sides && { family: model.family }),
    block: { ...model.decoder.block, crossAttention },
  });
  const config: EncoderDecoderConfig = {
    kind: 'encoder-decoder',
    family,
    encoder: { ...sideOf(encoder), ...(expanded && { keyValueHeads: heads }) },
    decoder: sideOf(decoder),
    encoderWindow: encoderWindow ?? layout.encoderWindow!,
    tieEncoderEmbedding,
    ...(functionPreserving && { functionPreserving }),
    ...(layout.names.endOfImage !== undefined && { endOfImageToken: endOfImageToken(encoderJson) }),
    initializerRange: decoder.initializerRange,
    ...(decoder.untiedOutput ? { untiedOutput: true } : {}),
    // One rate for both sides: the decoder's source decides.
    ...(decoder.dropout ? { dropout: decoder.dropout } : {}),
  };
  return { config, ...(expanded && { expanded }) };
}

/** Folders that read images name it; the text models have the same vocabulary. */
function endOfImageToken({ eoi_token_index: given }: Readonly<Record<string, unknown>>): number {
  return typeof given === 'number' && Number.isSafeInteger(given) && given >= 0
    ? given
    : T5GEMMA2_KEYS.eoi_token_index.default;
}

async function readDecoderOnly(reader: CheckpointReader): Promise<DecoderOnlyConfig> {
  const where = `${reader.path}/config.json`;
  const config = readModelConfig(await reader.config(), {}, where);
  if (config.kind === 'decoder-only') {
    checkDeclared(config, reader);
    return config;
  }
  const held = config.kind === 'encoder-only' ? 'an encoder alone' : 'an encoder-decoder already';
  throw new CheckpointError(`${reader.path} holds ${held}; adapting takes decoder-only checkpoints.`, {
    code: 'gemma.adapt-kind',
    exitCode: 2,
  });
}
