import { stat } from 'node:fs/promises';
import { join } from 'node:path';

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/** Name of the file with a model's config, as on the Hub. */
export const CONFIG_FILE = 'config.json';

/** Name of the file with the defaults of generation, as on the Hub. */
export const GENERATION_CONFIG_FILE = 'generation_config.json';

/**
 * The file next to the weights that records how they were created, and what their users must know that config.json
 * cannot express.
 */
export const RECORD_FILE = 'graft.json';

/** Name of the file that describes an adapter, as PEFT writes it. */
export const ADAPTER_CONFIG_FILE = 'adapter_config.json';

/** Name of the file with an adapter's tensors, as PEFT writes it. */
export const ADAPTER_FILE = 'adapter_model.safetensors';

/** The folder of a run's adapter next to weights that contain it already. */
export const ADAPTER_FOLDER = 'adapter';

/** Files next to the weights that belong to the vocabulary, including chat templates. */
export const TOKENIZER_FILES: readonly string[] = [
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
];

/**
 * The folder in a checkpoint with the files of the encoder's tokenizer, under their usual names, where it is not the
 * decoder's, whose files are next to the weights.
 */
export const ENCODER_TOKENIZER_FOLDER = 'encoder_tokenizer';

/** What a checkpoint is made of, and what a run needs to resume from it: files of a tokenizer have other names. */
const OWN_FILES =
  /^(config\.json|generation_config\.json|graft\.json|manifest\.json|trainer\.json|average|encoder_tokenizer|adapter|adapter_config\.json|\..*|.*\.safetensors(\.index\.json)?)$/i;

/** Whether a checkpoint may keep a tokenizer's file under this name, next to its own files. */
export function isTokenizerFileName(name: unknown): name is string {
  return isPlainFileName(name) && !OWN_FILES.test(name);
}

/** Whether a name is that of a file directly in the folder: an index or a manifest must not refer to other places. */
export function isPlainFileName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
}

/** The name of a file of the encoder's tokenizer within the checkpoint; with `/` on every system. */
export function encoderTokenizerFile(name: string): string {
  return `${ENCODER_TOKENIZER_FOLDER}/${name}`;
}

/** A name without the folder of the encoder's tokenizer, if it has it. */
export function withoutTokenizerFolder(name: string): string {
  const folder = `${ENCODER_TOKENIZER_FOLDER}/`;
  return name.startsWith(folder) ? name.slice(folder.length) : name;
}

export function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Whether a folder holds an adapter without the weights that it belongs to. */
export async function isAdapter(folder: string): Promise<boolean> {
  if (!(await exists(join(folder, ADAPTER_FILE)))) return false;
  return !(await exists(join(folder, SINGLE_FILE))) && !(await exists(join(folder, INDEX_FILE)));
}
