import type { TokenizerRecord } from '@graft/checkpoint';
import type { ComponentFactory, ComponentSpec, Registry, SideTokenizers, Tokenizer } from '@graft/core';
import type { Engine } from '@graft/engine';
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CommandContext } from '../commands/shared/context';
import { WHICH_TOKENIZER } from '../commands/shared/options';
import { CommandLineError } from '../output/command-line-error';
import { familyComponents, openComponents, openRegistry } from './open-components';

export interface TokenizerChoice {
  readonly tokenizer?: string;
  /** Of what the encoder reads, if it is another one. */
  readonly encoderTokenizer?: string;
  readonly model: string;
  readonly plugin?: readonly string[];
}

/**
 * The tokenizers of a command that has a model: each by the name of its component, from a tokenizer.json or its folder; by
 * default those that the model's folder keeps. With one for both sides, the same object twice.
 */
export async function openTokenizers(
  context: CommandContext,
  { tokenizer, encoderTokenizer, model, plugin }: TokenizerChoice,
  engine: Engine,
): Promise<SideTokenizers> {
  const { registry, components } = await openComponents(context, plugin, engine);
  const open = (name: string, folder: string): Promise<Tokenizer> => create(components, registry, name, folder);
  const decoder = await open(tokenizer ?? (await keptIn(model, registry)), model);
  if (encoderTokenizer !== undefined) return { encoder: await open(encoderTokenizer, model), decoder };
  const kept = await encodersIn(model, registry);
  return { encoder: kept ? await open(kept.name, kept.folder) : decoder, decoder };
}

/**
 * The tokenizer of a command whose texts a model reads but does not write: by name, otherwise that of its encoder, or of a
 * model with one side.
 */
export async function openTextTokenizer(
  context: CommandContext,
  { tokenizer, model, plugin }: TokenizerChoice,
  engine: Engine,
): Promise<Tokenizer> {
  const { registry, components } = await openComponents(context, plugin, engine);
  const kept = tokenizer === undefined ? await encodersIn(model, registry) : undefined;
  return kept
    ? create(components, registry, kept.name, kept.folder)
    : create(components, registry, tokenizer ?? (await keptIn(model, registry)), model);
}

/** The tokenizer of a command without a model. `bytes` and paths need no plugin, and open at once. */
export async function openNamedTokenizer(
  context: CommandContext,
  name: string,
  plugins: readonly string[] | undefined,
): Promise<Tokenizer> {
  const { BytesTokenizer, HuggingFaceTokenizer } = await import('@graft/text');
  if (name === 'bytes') return new BytesTokenizer();
  if (isTokenizerFile(name) || (await isConverted(name)) || (looksLikePath(name) && plugins === undefined))
    return HuggingFaceTokenizer.open({ path: await absolute(name) });
  const registry = await openRegistry(context, plugins);
  return create(await familyComponents(context, registry), registry, name);
}

/** What to open of a model's folder: its tokenizer.json, or the component that graft.json names. */
async function keptIn(given: string, registry: Registry): Promise<string> {
  const { checkpointPath, readTokenizerRecord } = await import('@graft/checkpoint');
  const model = await checkpointPath(given);
  if (existsSync(join(model, 'tokenizer.json'))) return model;
  const recorded = await readTokenizerRecord(model);
  if (recorded) return recordedIn(model, recorded, registry);
  throw new CommandLineError(`${model} has no tokenizer.json; name a tokenizer with --tokenizer (${WHICH_TOKENIZER}).`);
}

/** The same of an encoder's own tokenizer, and the folder of its files; undefined if the model has none. */
async function encodersIn(
  given: string,
  registry: Registry,
): Promise<{ readonly name: string; readonly folder: string } | undefined> {
  const { checkpointPath, ENCODER_TOKENIZER_FOLDER, ENCODER_TOKENIZER_SECTION, readTokenizerRecord } =
    await import('@graft/checkpoint');
  const model = await checkpointPath(given);
  const folder = join(model, ENCODER_TOKENIZER_FOLDER);
  if (existsSync(join(folder, 'tokenizer.json'))) return { name: folder, folder };
  const recorded = await readTokenizerRecord(model, ENCODER_TOKENIZER_SECTION);
  return recorded && { name: recordedIn(model, recorded, registry), folder };
}

function recordedIn(model: string, { use }: TokenizerRecord, registry: Registry): string {
  if (isRegistered(registry, use)) return use;
  throw new CommandLineError(
    `${model} was trained with the tokenizer "${use}", which no loaded plugin has; name the plugin with --plugin.`,
  );
}

async function create(
  components: ComponentFactory,
  registry: Registry,
  name: string,
  model?: string,
): Promise<Tokenizer> {
  return components.create(
    'tokenizer',
    isTokenizerFile(name) || (await isConverted(name)) ? await fromFile(name) : await specOf(registry, name, model),
  );
}

const fromFile = async (path: string): Promise<ComponentSpec> => ({ use: 'huggingface', path: await absolute(path) });

/** Whether the tokenizer is in a folder of the cache: that of a model by name, or of a GGUF file. */
async function isConverted(name: string): Promise<boolean> {
  const { isGgufPath, isModelPath } = await import('@graft/checkpoint');
  return isModelPath(name) || isGgufPath(name);
}

async function absolute(path: string): Promise<string> {
  const { isModelPath } = await import('@graft/checkpoint');
  return isModelPath(path) ? path : resolve(path);
}

/** Whether a file or a folder with a tokenizer.json is there: a plugin's folder may be named after its tokenizer. */
function isTokenizerFile(name: string): boolean {
  const found = statSync(name, { throwIfNoEntry: false });
  return found !== undefined && (!found.isDirectory() || existsSync(join(name, 'tokenizer.json')));
}

/** By its id, or the plugin's name and its id. */
const isRegistered = (registry: Registry, name: string): boolean =>
  registry
    .list('tokenizer')
    .some(({ plugin, definition }) => definition.id === name || `${plugin}/${definition.id}` === name);

const looksLikePath = (name: string): boolean => /[/\\]|\.json$|^\./.test(name) || existsSync(name);

/** The section for a tokenizer that the command line names: its options are the defaults, and the model's folder. */
async function specOf(registry: Registry, name: string, model: string | undefined): Promise<ComponentSpec> {
  const names = registry.names('tokenizer');
  const isKnown = isRegistered(registry, name);
  if (!isKnown && looksLikePath(name)) return fromFile(name);
  if (!isKnown) {
    const near = registry.nearest('tokenizer', name);
    throw new CommandLineError(
      `There is no tokenizer "${name}", and no file or folder of that name.${near === undefined ? '' : ` Did you mean "${near}"?`} Known are ${names.join(', ')}, those of a --plugin, and the paths of a tokenizer.json or its folder.`,
    );
  }
  return { use: name, ...(await neededOptions(registry, name, model)) };
}

async function neededOptions(
  registry: Registry,
  name: string,
  model: string | undefined,
): Promise<Record<string, unknown>> {
  const { describeOptions } = await import('@graft/core');
  const needed = describeOptions(registry.find('tokenizer', name).definition.options).filter(
    ({ required, path }) => required && !path.includes('.') && !path.includes('['),
  );
  const others = needed.filter(({ path }) => path !== 'path' || model === undefined);
  if (others.length === 0) return needed.length === 0 ? {} : { path: await absolute(model!) };
  const list = others.map(({ path }) => `"${path}"`).join(', ');
  throw new CommandLineError(
    `The tokenizer "${name}" needs ${others.length === 1 ? 'the option' : 'the options'} ${list}, which a command cannot give; set ${others.length === 1 ? 'it' : 'them'} in a config, or give the option${others.length === 1 ? '' : 's'} a default in the plugin.`,
  );
}
