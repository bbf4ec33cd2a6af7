/** The adapter_config.json of PEFT, for low-rank adaptation (LoRA). */
import { CheckpointError, isObject, shownJson } from '@graft/errors';

/** What an adapter's config says about its tensors. */
export interface AdapterConfig {
  /** Rank of every pair. */
  readonly rank: number;
  /** A pair's product is multiplied by alpha / rank, or with `rslora` by alpha / sqrt(rank). */
  readonly alpha: number;
  readonly rslora: boolean;
  /** Share of the inputs of pairs that training drops, in [0, 1). */
  readonly dropout: number;
  /** The modules that have a pair, as the file names them: a list of names or of their ends, or a regular expression. */
  readonly targetModules: string | readonly string[];
  /** The modules that the adapter contains completely. */
  readonly modulesToSave: readonly string[];
  /** The model that the adapter was trained on, as the file names it. */
  readonly baseModel?: string;
}

/** Keys that change nothing about what the tensors mean, whatever their value is. */
const IGNORED = new Set([
  'auto_mapping',
  'corda_config',
  'ensure_weight_tying',
  'eva_config',
  'exclude_modules',
  'inference_mode',
  'layers_pattern',
  'layers_to_transform',
  'loftq_config',
  'lora_ga_config',
  'megatron_core',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'task_type',
  'velora_config',
]);

const READ = new Set([
  'base_model_name_or_path',
  'bias',
  'init_lora_weights',
  'lora_alpha',
  'lora_dropout',
  'modules_to_save',
  'peft_type',
  'r',
  'target_modules',
  'use_rslora',
]);

/** What a key that Graft does not support would do. */
const MEANINGS: Readonly<Record<string, string>> = {
  use_dora: 'weight-decomposed pairs (DoRA)',
  lora_bias: 'biases of B',
  fan_in_fan_out: 'transposed matrices',
  rank_pattern: 'ranks by module',
  alpha_pattern: 'factors by module',
  layer_replication: 'repeated layers',
  trainable_token_indices: 'rows of the embedding table',
  target_parameters: 'pairs of parameters outside linear layers',
};

/** Initial pairs that leave the base weights as they are; others subtract the pairs' product from them. */
const PLAIN_INITS: readonly unknown[] = [undefined, null, true, false, 'gaussian', 'eva', 'orthogonal'];

const isNeutral = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (isObject(value) && Object.keys(value).length === 0);

/**
 * Reads the contents of an adapter_config.json, which `file` names in errors. Throws CheckpointError for another method
 * than LoRA, for a value of the wrong kind, and for settings that Graft does not support: none is ignored in silence.
 */
export function readAdapterConfig(json: Readonly<Record<string, unknown>>, file: string): AdapterConfig {
  const wrong = (key: string, expected: string): CheckpointError =>
    new CheckpointError(`${file}: "${key}" is ${shownJson(json[key], 'missing', 80)}; expected ${expected}.`, {
      code: 'adapter.config',
    });
  const unsupported = (key: string, what: string): CheckpointError =>
    new CheckpointError(
      `${file}: "${key}" is ${shownJson(json[key], 'missing', 80)}, and Graft does not read ${what}.`,
      {
        code: 'adapter.unsupported',
        exitCode: 2,
        hint: 'Merge the adapter into its model with PEFT (merge_and_unload), and load the result.',
      },
    );
  if (json.peft_type !== 'LORA') {
    if (typeof json.peft_type !== 'string') throw wrong('peft_type', '"LORA"');
    throw unsupported('peft_type', 'adapters of methods other than LoRA');
  }
  const bias = json.bias ?? 'none';
  if (bias !== 'none') throw unsupported('bias', 'trained biases');
  if (!PLAIN_INITS.includes(json.init_lora_weights))
    throw unsupported('init_lora_weights', 'adapters of base weights that their initialization has changed');
  for (const [key, value] of Object.entries(json)) {
    if (READ.has(key) || IGNORED.has(key) || isNeutral(value)) continue;
    throw unsupported(key, MEANINGS[key] ?? 'adapters with this setting');
  }
  const { r, lora_alpha: alpha = 8, lora_dropout: dropout = 0, use_rslora: rslora = false } = json;
  if (!Number.isSafeInteger(r) || Number(r) < 1) throw wrong('r', 'an integer of at least 1');
  if (typeof alpha !== 'number' || !Number.isFinite(alpha)) throw wrong('lora_alpha', 'a number');
  if (typeof dropout !== 'number' || !(dropout >= 0 && dropout < 1)) throw wrong('lora_dropout', 'a number in [0, 1)');
  if (typeof rslora !== 'boolean') throw wrong('use_rslora', 'true or false');
  const { target_modules: targets, modules_to_save: saved, base_model_name_or_path: base } = json;
  if (typeof targets !== 'string' && !isTexts(targets)) throw wrong('target_modules', 'a list of names, or a pattern');
  if (!isNeutral(saved) && !isTexts(saved)) throw wrong('modules_to_save', 'a list of names');
  return {
    rank: r as number,
    alpha,
    rslora,
    dropout,
    targetModules: targets,
    modulesToSave: isTexts(saved) ? saved : [],
    ...(typeof base === 'string' && { baseModel: base }),
  };
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');

/** The values of PEFT's `task_type` that Graft writes. */
export type AdapterTask = 'CAUSAL_LM' | 'SEQ_2_SEQ_LM' | 'FEATURE_EXTRACTION';

/** What `adapterConfigJson` writes besides the config itself. */
export interface AdapterPurpose {
  readonly task: AdapterTask;
  /** Whether tied tables stay tied where one of them is among the modules to save. */
  readonly keepsTies: boolean;
}

/** The contents of an adapter_config.json that PEFT reads. */
export function adapterConfigJson(config: AdapterConfig, { task, keepsTies }: AdapterPurpose): Record<string, unknown> {
  const { rank, alpha, rslora, dropout, targetModules, modulesToSave, baseModel } = config;
  return {
    base_model_name_or_path: baseModel ?? null,
    bias: 'none',
    ...(keepsTies && modulesToSave.length > 0 && { ensure_weight_tying: true }),
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: alpha,
    lora_dropout: dropout,
    modules_to_save: modulesToSave.length > 0 ? modulesToSave : null,
    peft_type: 'LORA',
    r: rank,
    target_modules: targetModules,
    task_type: task,
    use_dora: false,
    use_rslora: rslora,
  };
}
