import { listed } from '@graft/errors';
import type { GgufHeader, GgufTensor } from './header';
import { malformedGguf, unsupportedGguf } from './problems';
import { llama3Scaling } from './rope';

type Json = Record<string, unknown>;

/** A model as a Hugging Face folder describes it, made of a GGUF file's header. */
export interface ImportedModel {
  /** config.json, but for the dtype and special tokens. */
  readonly config: Json;
  readonly tensors: readonly ImportedTensor[];
}

/** A tensor of the folder, and what of the file it is made of. */
export interface ImportedTensor {
  readonly name: string;
  /** The tensor of the file. */
  readonly from: GgufTensor;
  /** Subtracted from every value: llama.cpp stores gains of Gemma with the 1 added. */
  readonly minus?: 1;
  /** Number of attention heads whose rows llama.cpp has interleaved for its own rotary positions. */
  readonly interleavedHeads?: number;
}

/** What a file says about its model: keys without the architecture's name in front. */
interface Sizes {
  readonly layers: number;
  readonly hidden: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  readonly vocabulary: number;
  readonly context: number;
  readonly epsilon: number;
}

/** Largest numbers that are believed; the largest published models have 126 layers and 32,768 columns. */
const MOST = { layers: 4096, width: 1 << 20, heads: 4096, headDim: 1 << 14, context: 2 ** 30 };

/** A family of models: how llama.cpp's names and numbers are translated. */
interface Architecture {
  /** As config.json has it. */
  readonly modelType: string;
  readonly className: string;
  /** Whether gains are stored with 1 added, and norms stand behind sub-layers too. */
  readonly isGemma: boolean;
  /** Whether queries and keys have norms. */
  readonly hasHeadNorms: boolean;
  /** Whether rows of query and key projections are interleaved. */
  readonly interleaves: boolean;
  /** Keys of config.json that only this family has. */
  readonly own: (reader: KeyReader, sizes: Sizes) => Json;
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  gemma2: {
    modelType: 'gemma2',
    className: 'Gemma2ForCausalLM',
    isGemma: true,
    hasHeadNorms: false,
    interleaves: false,
    own: (reader, { layers, hidden, heads, headDim }) => ({
      attn_logit_softcapping: reader.float('attn_logit_softcapping') ?? 50,
      final_logit_softcapping: reader.float('final_logit_softcapping') ?? 30,
      sliding_window: reader.required('attention.sliding_window', MOST.context),
      layer_types: layerTypes(layers, 2),
      // The file does not say it; llama.cpp tells the 27B by its depth.
      query_pre_attn_scalar: layers === 46 ? hidden / heads : headDim,
      rope_theta: reader.float('rope.freq_base') ?? 10_000,
      rope_scaling: reader.scaling(),
    }),
  },
  gemma3: {
    modelType: 'gemma3_text',
    className: 'Gemma3ForCausalLM',
    isGemma: true,
    hasHeadNorms: true,
    interleaves: false,
    own: (reader, { layers, hidden, heads, headDim }) => ({
      attn_logit_softcapping: null,
      final_logit_softcapping: reader.float('final_logit_softcapping') ?? null,
      sliding_window: reader.required('attention.sliding_window', MOST.context),
      // These three are not in the file either: they are the same in all published sizes but the 27B.
      layer_types: layerTypes(layers, reader.integer('attention.sliding_window_pattern', 4096) ?? 6),
      query_pre_attn_scalar: layers === 62 ? hidden / heads : headDim,
      rope_local_base_freq: reader.float('rope.freq_base_swa') ?? 10_000,
      rope_theta: reader.float('rope.freq_base') ?? 1_000_000,
      rope_scaling: reader.scaling(),
      use_bidirectional_attention: false,
    }),
  },
  llama: {
    modelType: 'llama',
    className: 'LlamaForCausalLM',
    isGemma: false,
    hasHeadNorms: false,
    interleaves: true,
    own: (reader, { headDim }) => {
      const theta = reader.float('rope.freq_base') ?? 10_000;
      return {
        mlp_bias: false,
        pretraining_tp: 1,
        rope_theta: theta,
        rope_scaling:
          reader.factors === undefined ? reader.scaling() : llama3Scaling(reader.file, reader.factors, theta, headDim),
      };
    },
  },
  qwen3: {
    modelType: 'qwen3',
    className: 'Qwen3ForCausalLM',
    isGemma: false,
    hasHeadNorms: true,
    interleaves: false,
    own: (reader, { layers }) => ({
      max_window_layers: layers,
      use_sliding_window: false,
      sliding_window: null,
      rope_theta: reader.float('rope.freq_base') ?? 1_000_000,
      rope_scaling: reader.scaling(),
    }),
  },
};

/** The architectures that Graft reads, by llama.cpp's names. */
export const GGUF_ARCHITECTURES: readonly string[] = Object.keys(ARCHITECTURES);

/** Every `period`-th layer sees everything. */
const layerTypes = (layers: number, period: number): string[] =>
  Array.from({ length: layers }, (_, i) => ((i + 1) % period === 0 ? 'full_attention' : 'sliding_attention'));

/** The shortest decimal that is this float32: files store 1e-6 as 9.999999974752427e-7. */
export function shortFloat(value: number): number {
  for (let digits = 1; digits < 17; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

/** Reads keys of one architecture, and checks them. */
class KeyReader {
  constructor(
    readonly file: string,
    private readonly header: GgufHeader,
    private readonly architecture: string,
    /** Divisors of rotary frequencies, if the file has a tensor of them. */
    readonly factors: Float32Array | undefined,
  ) {}

  integer(key: string, most: number, least = 1): number | undefined {
    const name = `${this.architecture}.${key}`;
    if (ArrayBuffer.isView(this.header.metadata.get(name)))
      throw unsupportedGguf(this.file, `its layers differ in "${name}"; Graft reads models with one number for all`);
    const value = this.header.metadata.integer(name, least);
    if (value !== undefined && value > most)
      throw malformedGguf(this.file, `its key "${name}" is ${value}, expected at most ${most}`);
    return value;
  }

  required(key: string, most: number): number {
    const value = this.integer(key, most);
    if (value !== undefined) return value;
    throw malformedGguf(this.file, `it lacks the key "${this.architecture}.${key}"`);
  }

  float(key: string): number | undefined {
    const value = this.header.metadata.number(`${this.architecture}.${key}`);
    return value === undefined ? undefined : shortFloat(value);
  }

  /** rope_scaling of config.json: none, or linear. Throws CheckpointError for another kind. */
  scaling(): Json | null {
    const type = this.header.metadata.text(`${this.architecture}.rope.scaling.type`) ?? 'none';
    const factor = this.float('rope.scaling.factor') ?? 1;
    if (type === 'none' || (type === 'linear' && factor === 1)) return null;
    if (type === 'linear' && factor > 0) return { rope_type: 'linear', factor };
    throw unsupportedGguf(
      this.file,
      `its rotary positions are scaled by "${type}" (factor ${factor}); Graft reads none, linear and Llama 3's`,
    );
  }
}

/** The tensor with divisors of rotary frequencies. */
export const ROPE_FACTORS = 'rope_freqs.weight';

/**
 * Config and tensors of a file's model. Throws CheckpointError for an architecture that Graft does not read, for keys
 * that are missing or contradict the tensors, and for tensors that are missing or have no place. `factors`: the values of
 * the tensor ROPE_FACTORS, if there is one.
 */
export function describeModel(file: string, header: GgufHeader, factors: Float32Array | undefined): ImportedModel {
  const { metadata } = header;
  const name = metadata.text('general.architecture');
  if (name === undefined) throw malformedGguf(file, 'it lacks the key "general.architecture"');
  if (!Object.hasOwn(ARCHITECTURES, name))
    throw unsupportedGguf(file, `its architecture is "${name}"; Graft reads ${listed(GGUF_ARCHITECTURES, 9)}`);
  const parts = metadata.integer('split.count') ?? 1;
  if (parts > 1)
    throw unsupportedGguf(
      file,
      `it is one of ${parts} parts of a model`,
      'Join them with llama-gguf-split --merge, and import the whole.',
    );
  const architecture = ARCHITECTURES[name];
  if (factors !== undefined && !architecture.interleaves)
    throw unsupportedGguf(file, `it has the tensor "${ROPE_FACTORS}", which Graft reads for "llama" alone`);
  const reader = new KeyReader(file, header, name, factors);
  const sizes = readSizes(reader, header);
  const tensors = placeTensors(file, header, architecture, sizes);
  return { config: configOf(architecture, reader, sizes, header.tensors.has(OUTPUT)), tensors };
}

function readSizes(reader: KeyReader, { tensors }: GgufHeader): Sizes {
  const { file } = reader;
  const hidden = reader.required('embedding_length', MOST.width);
  const heads = reader.required('attention.head_count', MOST.heads);
  const experts = reader.integer('expert_count', MOST.heads, 0) ?? 0;
  if (experts > 0) throw unsupportedGguf(file, `its layers have ${experts} experts; Graft reads dense models`);
  const headDim =
    reader.integer('attention.key_length', MOST.headDim) ??
    reader.integer('rope.dimension_count', MOST.headDim) ??
    hidden / heads;
  const rotated = reader.integer('rope.dimension_count', MOST.headDim) ?? headDim;
  const valueDim = reader.integer('attention.value_length', MOST.headDim) ?? headDim;
  if (headDim % 2 !== 0 || rotated !== headDim || valueDim !== headDim)
    throw unsupportedGguf(
      file,
      `its heads have ${headDim} keys, of which ${rotated} are rotated, and ${valueDim} values; Graft reads models in which these are one even number`,
    );
  const embedding = tensors.get(EMBEDDING);
  if (embedding?.shape.length !== 2)
    throw malformedGguf(file, `it lacks the tensor "${EMBEDDING}" [vocabulary, hidden]`);
  const layers = reader.required('block_count', MOST.layers);
  return {
    layers,
    hidden,
    feedForward: reader.required('feed_forward_length', MOST.width),
    heads,
    keyValueHeads: reader.integer('attention.head_count_kv', MOST.heads) ?? heads,
    headDim,
    vocabulary: embedding.shape[0],
    context: reader.required('context_length', MOST.context),
    epsilon: reader.float('attention.layer_norm_rms_epsilon') ?? 1e-6,
  };
}

function configOf(
  { modelType, className, isGemma, own }: Architecture,
  reader: KeyReader,
  sizes: Sizes,
  untied: boolean,
): Json {
  return {
    architectures: [className],
    model_type: modelType,
    attention_bias: false,
    attention_dropout: 0,
    head_dim: sizes.headDim,
    [isGemma ? 'hidden_activation' : 'hidden_act']: isGemma ? 'gelu_pytorch_tanh' : 'silu',
    hidden_size: sizes.hidden,
    initializer_range: 0.02,
    intermediate_size: sizes.feedForward,
    max_position_embeddings: sizes.context,
    num_attention_heads: sizes.heads,
    num_hidden_layers: sizes.layers,
    num_key_value_heads: sizes.keyValueHeads,
    rms_norm_eps: sizes.epsilon,
    tie_word_embeddings: !untied,
    use_cache: true,
    vocab_size: sizes.vocabulary,
    ...own(reader, sizes),
  };
}

/** Names of tensors that are not in a layer. */
const [EMBEDDING, OUTPUT] = ['token_embd', 'output'].map((name) => `${name}.weight`);

/** A tensor that a model has, by both names, with its shape. */
interface Expected {
  readonly name: string;
  readonly from: string;
  readonly shape: readonly number[];
  readonly interleavedHeads?: number;
}

/** All tensors of a model, apart from an output layer of its own. */
function* expectedTensors({ isGemma, hasHeadNorms, interleaves }: Architecture, sizes: Sizes): Generator<Expected> {
  const { layers, hidden, feedForward, heads, keyValueHeads, headDim, vocabulary } = sizes;
  const [queries, keys] = [heads * headDim, keyValueHeads * headDim];
  yield { name: 'model.embed_tokens.weight', from: EMBEDDING, shape: [vocabulary, hidden] };
  yield { name: 'model.norm.weight', from: 'output_norm.weight', shape: [hidden] };
  for (let layer = 0; layer < layers; layer++) {
    const at = (name: string, from: string, ...shape: number[]): Expected => ({
      name: `model.layers.${layer}.${name}.weight`,
      from: `blk.${layer}.${from}.weight`,
      shape,
    });
    yield at('input_layernorm', 'attn_norm', hidden);
    const query = at('self_attn.q_proj', 'attn_q', queries, hidden);
    const key = at('self_attn.k_proj', 'attn_k', keys, hidden);
    yield interleaves ? { ...query, interleavedHeads: heads } : query;
    yield interleaves ? { ...key, interleavedHeads: keyValueHeads } : key;
    yield at('self_attn.v_proj', 'attn_v', keys, hidden);
    yield at('self_attn.o_proj', 'attn_output', hidden, queries);
    if (hasHeadNorms) {
      yield at('self_attn.q_norm', 'attn_q_norm', headDim);
      yield at('self_attn.k_norm', 'attn_k_norm', headDim);
    }
    if (isGemma) {
      yield at('post_attention_layernorm', 'post_attention_norm', hidden);
      yield at('pre_feedforward_layernorm', 'ffn_norm', hidden);
      yield at('post_feedforward_layernorm', 'post_ffw_norm', hidden);
    } else yield at('post_attention_layernorm', 'ffn_norm', hidden);
    yield at('mlp.gate_proj', 'ffn_gate', feedForward, hidden);
    yield at('mlp.up_proj', 'ffn_up', feedForward, hidden);
    yield at('mlp.down_proj', 'ffn_down', hidden, feedForward);
  }
}

function placeTensors(
  file: string,
  { tensors }: GgufHeader,
  architecture: Architecture,
  sizes: Sizes,
): ImportedTensor[] {
  const { hidden, vocabulary } = sizes;
  const placed: ImportedTensor[] = [];
  const used = new Set([ROPE_FACTORS]);
  const place = ({ name, from, shape, interleavedHeads }: Expected): void => {
    const found = tensors.get(from);
    if (!found) throw malformedGguf(file, `it lacks the tensor "${from}"`);
    if (found.shape.join() !== shape.join())
      throw malformedGguf(
        file,
        `tensor "${from}" has the shape [${found.shape.join(', ')}], expected [${shape.join(', ')}]`,
      );
    used.add(from);
    const isGain = architecture.isGemma && shape.length === 1;
    placed.push({
      name,
      from: found,
      ...(isGain ? { minus: 1 } : {}),
      ...(interleavedHeads === undefined ? {} : { interleavedHeads }),
    });
  };
  for (const expected of expectedTensors(architecture, sizes)) place(expected);
  if (tensors.has(OUTPUT)) place({ name: 'lm_head.weight', from: OUTPUT, shape: [vocabulary, hidden] });
  const others = [...tensors.keys()].filter((name) => !used.has(name)).map((name) => `"${name}"`);
  if (others.length === 0) return placed;
  throw unsupportedGguf(
    file,
    `it has tensors for which ${architecture.modelType} has no place: ${listed(others, 4, ', ', ' and')}`,
  );
}
