import {
  asEncoderTokenizer,
  checkpointPath,
  ENCODER_TOKENIZER_FOLDER,
  ENCODER_TOKENIZER_SECTION,
  isTokenizerFileName,
  listSnapshots,
  readRecord,
  readTokenizerFiles,
  readTokenizerRecord,
  TOKENIZER_FILES,
  TOKENIZER_SECTION,
  type CheckpointRecord,
  type TokenizerRecord,
} from '@graft/checkpoint';
import { withoutTokenizerFolder } from '@graft/checkpoint/internal';
import { DataError, PluginError } from '@graft/engine';
import { readRegularFile } from '@graft/files';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { componentName, failedComponent } from '../components/calls';
import { sidesOf } from '../data/side-text';
import type {
  ComponentFactory,
  ComponentSpec,
  Dataset,
  JsonValue,
  InterfaceName,
  RunInfo,
  SideTokenizers,
  Tokenizer,
} from '../interfaces';
import type { ExperimentConfig } from '../config';
import { withRegistry } from '../config/sections';
import { walk, type Visitor } from '../config/walk';
import type { Registry } from '../components/registry';
import { isRecord, kindOf } from '../util/returned';

/** Small files next to the weights of a checkpoint, by name. */
export type ExtraFiles = Readonly<Record<string, string | Uint8Array>>;

/** What a run's checkpoints keep of the tokenizer that encoded its data, or of the two of its sides. */
export interface KeptTokenizer {
  /** Those of an encoder's own tokenizer are called `encoder_tokenizer/NAME`. */
  readonly files: ExtraFiles;
  /** The section of graft.json about it: undefined if the names of the files alone say how to open them. */
  readonly record?: TokenizerRecord;
  /** The same about the encoder's own. */
  readonly encoderRecord?: TokenizerRecord;
}

/** The sections of graft.json about kept tokenizers. */
export function tokenizerSections({ record, encoderRecord }: KeptTokenizer): CheckpointRecord {
  return { [TOKENIZER_SECTION]: record, [ENCODER_TOKENIZER_SECTION]: encoderRecord };
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
  return ofData.length > 0 ? NOTHING : ofInitializer(initializer, registry);
}

const isEmpty = ({ files, record, encoderRecord }: KeptTokenizer): boolean =>
  Object.keys(files).length === 0 && !record && !encoderRecord;

async function ofFolder(folder: string): Promise<KeptTokenizer> {
  return {
    files: await readTokenizerFiles(folder),
    record: await readTokenizerRecord(folder),
    encoderRecord: await readTokenizerRecord(folder, ENCODER_TOKENIZER_SECTION),
  };
}

/** The tokenizers of the checkpoints that an initializer names. */
async function ofInitializer(initializer: ComponentSpec, registry: Registry): Promise<KeptTokenizer> {
  const folders = await findTokenizerFolders({ initializer }, registry);
  if (folders?.encoder === undefined || dirname(folders.encoder) === folders.decoder)
    return ofFolders([...(folders ? [folders.decoder] : []), ...pathsOf('initializer', initializer, registry)]);
  const [encoder, decoder] = await Promise.all([folders.encoder, folders.decoder].map(readTokenizerFiles));
  return { files: { ...decoder, ...asEncoderTokenizer(encoder) } };
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
  const nested = tokenizer.encoderSide && sidesOfSpec(spec, registry);
  if (nested) {
    const [encoder, decoder] = await Promise.all(
      [nested.encoder, nested.decoder].map(async (side) => {
        const kept = await ofComponent(side, registry, components);
        // Without files only graft.json can say which of the two tokenizers this one is.
        return isEmpty(kept) ? { files: {}, record: { use: fullName(side, registry), files: [] } } : kept;
      }),
    );
    const files = { ...decoder.files, ...asEncoderTokenizer(encoder.files) };
    return { files, record: decoder.record, encoderRecord: encoder.record };
  }
  if (!tokenizer.files) return ofFolders(pathsOf('tokenizer', spec, registry));
  const files = await filesOf(tokenizer);
  const names = Object.keys(files);
  if (names.every((name) => TOKENIZER_FILES.includes(withoutTokenizerFolder(name)))) return { files };
  return { files, record: { use: fullName(spec, registry), files: names } };
}

function fullName({ use }: ComponentSpec, registry: Registry): string {
  const { plugin, definition } = registry.find('tokenizer', use);
  return `${plugin}/${definition.id}`;
}

/** The tokenizers that a tokenizer for two sides consists of, by its options `encoder` and `decoder`. */
function sidesOfSpec(
  spec: ComponentSpec,
  registry: Registry,
): { readonly encoder: ComponentSpec; readonly decoder: ComponentSpec } | undefined {
  const found = new Map<string, ComponentSpec>();
  visit('tokenizer', spec, registry, {
    path: (value) => value,
    component: (interface_, value, at) => {
      if (interface_ === 'tokenizer') found.set(at.split('.').pop()!, value as ComponentSpec);
      return value;
    },
  });
  const [encoder, decoder] = [found.get('encoder'), found.get('decoder')];
  return encoder && decoder && { encoder, decoder };
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
    // Only a tokenizer for two sides has files of the encoder's.
    if (!isTokenizerFileName(tokenizer.encoderSide ? withoutTokenizerFolder(name) : name))
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
    const { [TOKENIZER_SECTION]: _, [ENCODER_TOKENIZER_SECTION]: __, ...record } = await readRecord(path);
    if (Object.keys(record).length > 0) return record as Readonly<Record<string, JsonValue>>;
  }
  return {};
}

/**
 * The tokenizers of both sides of a dataset that was created in another thread, which cannot send them: of the first
 * tokenizer in its section that is one for two sides.
 */
export async function createSides(
  dataset: ComponentSpec,
  { registry, components }: { readonly registry: Registry; readonly components: ComponentFactory },
): Promise<SideTokenizers | undefined> {
  for (const spec of tokenizersOf(dataset, registry)) {
    const tokenizer = await components.create('tokenizer', spec);
    if (tokenizer.encoderSide) return sidesOf(tokenizer);
  }
  return undefined;
}

/**
 * Throws DataError if a dataset gets a tokenizer for each side, but was written for one: it would encode what the encoder
 * reads by the decoder's.
 */
export function checkTakesSides(spec: ComponentSpec, dataset: Dataset, registry: Registry): void {
  if (dataset.tokenizers || !tokenizersOf(spec, registry).some((one) => sidesOfSpec(one, registry))) return;
  throw new DataError(`The dataset "${spec.use}" takes one tokenizer, but got one for each side.`, {
    code: 'data.sides',
    exitCode: 2,
    hint: 'Name one, or take a dataset that sets `tokenizers` (docs/plugins.md).',
  });
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

/**
 * Where the tokenizers of a run's checkpoint are: of that from which it resumes, its newest one in `checkpoints`, or of
 * those that the initializer names, by its options `encoder` and `decoder` or its first path. Without `checkpoints`: as for
 * a new run. Undefined if they are not published ones.
 */
export async function findTokenizerFolders(
  { initializer }: { readonly initializer: ComponentSpec },
  registry: Registry,
  checkpoints?: string,
): Promise<RunInfo['tokenizerFolders']> {
  const newest = checkpoints === undefined ? undefined : (await listSnapshots(checkpoints)).pop();
  const named = newest ? { path: newest.folder } : namedPaths(initializer, registry);
  const [first] = Object.values(named);
  const decoder = await withTokenizer(named.decoder ?? first);
  if (decoder === undefined) return undefined;
  const inside = await withTokenizer(join(decoder, ENCODER_TOKENIZER_FOLDER));
  const encoder = inside ?? (named.encoder === undefined ? undefined : await withTokenizer(named.encoder));
  const isOther = encoder !== undefined && !(await tokenizerBytes(encoder)).equals(await tokenizerBytes(decoder));
  return isOther ? { decoder, encoder } : { decoder };
}

const TOKENIZER_FILE = 'tokenizer.json';
const tokenizerBytes = async (folder: string): Promise<Buffer> =>
  Buffer.from(await readRegularFile(join(folder, TOKENIZER_FILE)));

/** The folder, if it has a tokenizer.json. What is wrong with a checkpoint is reported by whoever loads it. */
async function withTokenizer(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const folder = await checkpointPath(path).catch(() => undefined);
  return folder !== undefined && existsSync(join(folder, TOKENIZER_FILE)) ? folder : undefined;
}

/** Files and folders that an initializer names, by the option. */
function namedPaths(spec: ComponentSpec, registry: Registry): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  visit('initializer', spec, registry, {
    path: (value, at) => {
      if (typeof value === 'string') found[at.split('.').pop()!] = value;
      return value;
    },
    component: (_, value) => value,
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
