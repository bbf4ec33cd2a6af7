/** What a family is: which config.json it reads and writes, how it describes its layers, and how its tensors are called. */
import type { AnyGemmaConfig, EncoderOnlyConfig, EncoderWindow, GemmaOptions, LayerType } from '../model/config-types';
import type { Json } from '../model/config-fields';
import type { ModelNames } from '../model/names';

/** A config.json to be read. */
export interface GivenConfig {
  readonly json: Json;
  readonly options: GemmaOptions;
  /** Names the file in errors. */
  readonly where: string;
}

/** The published classifiers of a family: a head over the final states. */
export interface ClassifierFormat {
  readonly architectures: { readonly sequence: string; readonly token?: string };
  /** Tensor names of the head; without `bias` it has none. */
  readonly head: { readonly weight: string; readonly bias?: string };
  /** Whether one that reads an encoder alone is published, too. */
  readonly ofEncoder: boolean;
  /** How a pair's decoder reads the source once more. A family without pairs has none. */
  readonly secondReading?: SecondReading;
}

/** How the decoder of a classifier reads the source, shifted right, after the encoder has read it. */
export interface SecondReading {
  /** The decoder masks its pad ids itself, wherever they are. */
  readonly masksPadding: boolean;
  /** Where the last token of a text is looked for: in the source, or in what the decoder reads. */
  readonly pools: 'source' | 'decoder-input';
}

/** One family of models, in a file of its own; index.ts lists them. */
export interface Family {
  /** Its name in a config's `model:` section. */
  readonly id: string;
  /** Its name for people. */
  readonly title: string;
  /** The values of `model_type` that it reads; it writes the first. */
  readonly modelTypes: readonly string[];
  /** The kinds of models that it has, the usual one first. */
  readonly kinds: readonly AnyGemmaConfig['kind'][];
  readonly names: ModelNames;
  /** The rule for its encoder's window. */
  readonly encoderWindow?: EncoderWindow;
  /** The encoder of one of its encoder-decoders, as a model of its own. Default: one of the same family. */
  encoderAlone?(encoder: EncoderOnlyConfig): EncoderOnlyConfig;
  /** Its encoder-decoders have one embedding table, always. Default false. */
  readonly oneTable?: boolean;
  /** Its sides may have different vocabularies. Default false. */
  readonly ownVocabularies?: boolean;
  /** Families whose layers its sides can have, each its own. Default: both sides have the layers of this family. */
  readonly sides?: readonly string[];
  /** Keys that its configuration class leaves open, for a model of options alone. */
  readonly defaults?: Json;
  /** The kind of each layer where nothing says it. */
  layerTypes(layers: number): readonly LayerType[];
  /** Throws CheckpointError naming the file, the key, and what was expected. */
  readonly read: (given: GivenConfig) => AnyGemmaConfig;
  /** The config.json that the published implementation reads. `dtype`: of the stored tensors, such as `float32`. */
  write(config: AnyGemmaConfig, dtype: string): Record<string, unknown>;
  /** Keys of such a config.json that change nothing. */
  ignoredKeys(json: Json): readonly string[];
  /**
   * Names under which folders store a parameter: the first that is there counts, and the last is the expected one.
   * Default: the parameter's.
   */
  storedNames?(name: string, kind: string): readonly string[];
  /**
   * Names of a parameter in the modules of the published implementation, by which adapters call it, the present one
   * first. Default: the parameter's.
   */
  publishedNames?(name: string, kind: string): readonly string[];
  /** Default: it has no classifiers. */
  readonly classifier?: ClassifierFormat;
  /** Tensors that a folder may contain although no parameter reads them: copies of tied ones. */
  readonly redundant?: readonly string[];
  /** Whether this tensor is kept for the checkpoints of a model, although no parameter reads it. Default: none is. */
  readonly carries?: (tensor: string) => boolean;
}

/** Every layer sees everything. */
export const allFull = (layers: number): readonly LayerType[] =>
  Array.from({ length: layers }, () => 'full_attention' as const);
