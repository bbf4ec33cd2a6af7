import { ConfigError, GraftError } from '@graft/engine';
import { cosmiconfig, type Loader } from 'cosmiconfig';
import { readFile } from 'node:fs/promises';
import { dirname, parse, resolve } from 'node:path';
import { parseJson } from '../json';
import { reasonOf } from '../reason';
import { decodeUtf8, describeInvalidUtf8 } from '../unicode';
import { importCode, loadReason } from './code';
import { isObject, joinPath, mergeConfig, type ConfigTree, type Origin, type Origins } from './merge';
import { parseYaml } from './yaml';

const loadCode: Loader = async (file) => {
  try {
    return await importCode(file, { default: true });
  } catch (cause) {
    if (cause instanceof GraftError) throw cause;
    // cosmiconfig takes for granted that it is an error.
    throw new Error(await loadReason(file, cause), { cause });
  }
};

/** The text of a config, without a byte order mark. cosmiconfig's own has other characters where the file is not UTF-8. */
async function readText(file: string): Promise<string> {
  const bytes = await readFile(file);
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new Error(`it is not UTF-8 (${describeInvalidUtf8(bytes)})`);
  return text.replace(/^\ufeff/, '');
}

const loadYaml: Loader = async (file) => parseYaml(await readText(file));

const loadJson: Loader = async (file) => parseJson(await readText(file));

const LOADERS: Record<string, Loader> = {
  '.yaml': loadYaml,
  '.yml': loadYaml,
  '.json': loadJson,
  ...Object.fromEntries(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'].map((extension) => [extension, loadCode])),
};

const SEARCH_PLACES = [
  ...Object.keys(LOADERS).map((extension) => `graft.config${extension}`),
  '.graftrc.yaml',
  '.graftrc.json',
];

/** `graft.config.*`, or a `.graftrc`, in the folder or the nearest one above it. */
export async function searchConfigFile(folder: string): Promise<string | undefined> {
  // Only the place is wanted here: what the file holds is read, with its errors, like that of any other.
  const loaders = Object.fromEntries(Object.keys(LOADERS).map((extension) => [extension, () => ({ found: true })]));
  const explorer = cosmiconfig('graft', { searchPlaces: SEARCH_PLACES, loaders, stopDir: parse(folder).root });
  return (await explorer.search(folder))?.filepath;
}

async function readOne(file: string, namedBy?: string): Promise<ConfigTree> {
  let value: unknown;
  try {
    value = (await cosmiconfig('graft', { searchPlaces: SEARCH_PLACES, loaders: LOADERS }).load(file))?.config;
    if (typeof value === 'function') value = await (value as () => unknown)();
  } catch (cause) {
    if (cause instanceof GraftError) throw cause;
    const { code } = (cause ?? {}) as NodeJS.ErrnoException;
    const reasons: Record<string, string> = { ENOENT: 'there is no such file', EISDIR: 'it is a folder' };
    const reason = reasons[code ?? ''] ?? reasonOf(cause).split('\n')[0];
    const by = namedBy === undefined ? '' : ` (${namedBy} extends it)`;
    throw new ConfigError(`${file} cannot be read as a config: ${reason}${by}.`, { code: 'config.unreadable', cause });
  }
  if (!isObject(value)) {
    throw new ConfigError(
      `${file} should hold keys and values, but holds ${value === undefined ? 'nothing' : JSON.stringify(value)}.`,
      { code: 'config.shape' },
    );
  }
  return value;
}

/** Lays configs over one another: of each first what it extends, in order, then itself. */
export class ConfigReader {
  readonly config: ConfigTree = {};
  private readonly done = new Set<string>();

  constructor(private readonly origins: Origins) {}

  /** Throws ConfigError when the file, or one that it extends, cannot be read, or extends itself. */
  async addFile(file: string, chain: readonly string[] = []): Promise<void> {
    if (chain.includes(file)) {
      throw new ConfigError(`${[...chain, file].join(' extends ')}: a config cannot extend itself.`, {
        code: 'config.cycle',
      });
    }
    // A base of two bases counts once: laid down again it would undo what the first one changed.
    if (this.done.has(file)) return;
    const value = await readOne(file, chain.at(-1));
    await this.addValue(value, { folder: dirname(file), source: file }, [...chain, file]);
    this.done.add(file);
  }

  async addValue(value: ConfigTree, origin: Origin, chain: readonly string[] = []): Promise<void> {
    const { extends: bases, plugins, ...own } = value;
    for (const base of bases === undefined ? [] : Array.isArray(bases) ? (bases as unknown[]) : [bases]) {
      if (typeof base !== 'string' || base === '') {
        throw new ConfigError(
          `${origin.source}: "extends" should be a file or a list of files, but holds ${JSON.stringify(base)}.`,
          { code: 'config.extends' },
        );
      }
      await this.addFile(resolve(origin.folder, base), chain);
    }
    mergeConfig(this.config, own, origin, this.origins);
    if (plugins !== undefined) this.addPlugins(plugins, origin);
  }

  /** Plugins add up: the sections that come from a base need the base's plugins. */
  private addPlugins(plugins: unknown, origin: Origin): void {
    const known = this.config.plugins;
    if (!Array.isArray(known) || !Array.isArray(plugins)) {
      mergeConfig(this.config, { plugins }, origin, this.origins);
      return;
    }
    for (const plugin of plugins as unknown[]) {
      this.origins.set(joinPath('plugins', known.length), origin);
      known.push(plugin);
    }
  }
}
