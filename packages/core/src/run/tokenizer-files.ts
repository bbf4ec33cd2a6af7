import {
  isTokenizerFileName,
  listSnapshots,
  readRecord,
  readTokenizerFiles,
  readTokenizerRecord,
  TOKENIZER_FILES,
  TOKENIZER_SECTION,
  type TokenizerRecord,
} from '@graft/checkpoint';
import { PluginError } from '@graft/engine';
import { basename, dirname } from 'node:path';
import { componentName, failedComponent } from '../components/calls';
import type { ComponentFactory, ComponentSpec, JsonValue, InterfaceName, Tokenizer } from '../interfaces';
import type { ExperimentConfig } from '../config';
import { withRegistry } from '../config/sections';
import { walk, type Visitor } from '../config/walk';
import type { Registry } from '../components/registry';
import { isRecord, kindOf } from '../util/returned';

/** Small files next to the weights of a checkpoint, by name. */
export type ExtraFiles = Readonly<Record<string, string | Uint8Array>>;

/** What a run's checkpoints keep of the tokenizer that encoded its data. */
export interface KeptTokenizer {
  readonly files: ExtraFiles;
  /** The section of graft.json about it: undefined if the names of the files alone say how to open them. */
  readonly record?: TokenizerRecord;
}

const NOTHING: KeptTokenizer = { files: {} };

/**
 * The tokenizer for a run's checkpoints, which makes these usable on their own. A resumed run copies it from its newest
 * checkpoint in `checkpoints`; otherwise it is the one that encodes its data or, if the data do not name a tokenizer,
 * that of the checkpoint with the initial parameters. Without files for a tokenizer that needs none, for example
 * `bytes`.
 */
export async function findTokenizerFiles(
  { dataset, initializer }: Pick<ExperimentConfig, 'dataset' | 'initializer'>,
  { registry, components }: { readonly registry: Registry; readonly components: ComponentFactory },
  checkpoints: string,
): Promise<KeptTokenizer> {
  const newest = (await listSnapshots(checkpoints)).pop();
  const kept = newest ? await ofFolder(newest.folder) : NOTHING;
  if (!isEmpty(kept)) return kept;
  const ofData = tokenizersOf(dataset, registry);
  for (const tokenizer of ofData) {
    const found = await ofComponent(tokenizer, registry, components);
    if (!isEmpty(found)) return found;
  }
  return ofData.length > 0 ? NOTHING : ofFolders(pathsOf('initializer', initializer, registry));
}

const isEmpty = ({ files }: KeptTokenizer): boolean => Object.keys(files).length === 0;

async function ofFolder(folder: string): Promise<KeptTokenizer> {
  return { files: await readTokenizerFiles(folder), record: await readTokenizerRecord(folder) };
}

/** The first folder, or tokenizer.json in it, that has files of a tokenizer. */
async function ofFolders(paths: readonly string[]): Promise<KeptTokenizer> {
  for (const path of paths) {
    const found = await ofFolder(basename(path) === 'tokenizer.json' ? dirname(path) : path);
    if (!isEmpty(found)) return found;
  }
  return NOTHING;
}

const THE_TOKENIZER = 'The tokenizer';

async function ofComponent(
  spec: ComponentSpec,
  registry: Registry,
  components: ComponentFactory,
): Promise<KeptTokenizer> {
  const tokenizer = await components.create('tokenizer', spec);
  if (!tokenizer.files) return ofFolders(pathsOf('tokenizer', spec, registry));
  const files = await filesOf(tokenizer);
  const names = Object.keys(files);
  if (names.every((name) => TOKENIZER_FILES.includes(name))) return { files };
  const { plugin, definition } = registry.find('tokenizer', spec.use);
  return { files, record: { use: `${plugin}/${definition.id}`, files: names } };
}

/** Throws PluginError for files that a checkpoint cannot keep: plugins may be written without types. */
async function filesOf(tokenizer: Tokenizer): Promise<ExtraFiles> {
  let files: ExtraFiles;
  try {
    files = await tokenizer.files!();
  } catch (error) {
    throw failedComponent(tokenizer, THE_TOKENIZER, 'files', error);
  }
  const refuse = (found: string, expected: string): PluginError =>
    new PluginError(`${componentName(tokenizer, THE_TOKENIZER)}: files returned ${found}; expected ${expected}.`, {
      code: 'plugin.tokenizer-files',
    });
  if (!isRecord(files)) throw refuse(kindOf(files), 'texts or bytes by the name of the file');
  for (const [name, content] of Object.entries(files)) {
    if (!isTokenizerFileName(name))
      throw refuse(`a file "${String(name)}"`, "names without a folder that no file of a checkpoint's own has");
    if (typeof content !== 'string' && !(content instanceof Uint8Array))
      throw refuse(`${kindOf(content)} for "${name}"`, 'a text or a Uint8Array');
  }
  return files;
}

/**
 * The record in the checkpoint from which a run resumes, its newest one in `checkpoints`, or else from which it starts:
 * the sections of the first graft.json among the folders that the initializer names. Without `checkpoints`: as for a
 * new run. The section about the tokenizer is left out, because `findTokenizerFiles` decides that.
 */
export async function findRecord(
  { initializer }: { readonly initializer: ComponentSpec },
  registry: Registry,
  checkpoints?: string,
): Promise<Readonly<Record<string, JsonValue>>> {
  const newest = checkpoints === undefined ? undefined : (await listSnapshots(checkpoints)).pop();
  for (const path of newest ? [newest.folder] : pathsOf('initializer', initializer, registry)) {
    const { [TOKENIZER_SECTION]: _, ...record } = await readRecord(path);
    if (Object.keys(record).length > 0) return record as Readonly<Record<string, JsonValue>>;
  }
  return {};
}

/** Tokenizers that a dataset names, including those of its parts. */
function tokenizersOf(dataset: ComponentSpec, registry: Registry): ComponentSpec[] {
  const found: ComponentSpec[] = [];
  visit('dataset', dataset, registry, {
    path: (value) => value,
    component: (interface_, value) => {
      if (interface_ === 'tokenizer') found.push(value as ComponentSpec);
      else if (interface_ === 'dataset') found.push(...tokenizersOf(value as ComponentSpec, registry));
      return value;
    },
  });
  return found;
}

/** Files and folders that a component names. */
export function pathsOf(interface_: InterfaceName, spec: ComponentSpec, registry: Registry): string[] {
  const found: string[] = [];
  visit(interface_, spec, registry, {
    path: (value) => {
      if (typeof value === 'string') found.push(value);
      return value;
    },
    component: (_, value) => value,
  });
  return found;
}

function visit(interface_: InterfaceName, spec: ComponentSpec, registry: Registry, visitor: Visitor): void {
  const { options } = registry.find(interface_, spec.use).definition;
  withRegistry(registry, () => walk(options, spec, interface_, visitor));
}
