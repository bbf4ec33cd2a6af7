import { parseJson, readTextFile } from '@graft/checkpoint/internal';
import { ConfigError, GraftError } from '@graft/engine';
import { listed } from '@graft/errors';
import { checkRegularFile, FileProblem, LARGEST_SETTINGS_BYTES } from '@graft/files';
import { basename, dirname, extname, resolve } from 'node:path';
import { reasonOf } from '../util/reason';
import { importCode, loadReason, type OnCode } from './code';
import { show } from '../util/show';
import { joinPath, mergeConfig, type ConfigTree, type Origin, type Origins } from './merge';
import { isObject } from '../util/objects';
import { searchUpwards } from './search';
import { checkFoundConfig } from './trust';
import { parseYamlWithEnvironment } from './environment-values';
import { withoutValues } from './yaml';

/** What a file holds. `variables`: environment variables that are whole values, by path. */
interface Loaded {
  readonly value: unknown;
  readonly variables?: ReadonlyMap<string, string>;
}

type Loader = (file: string, onCode: OnCode | undefined) => Promise<Loaded>;

/** The default export, or what it returns if it is a function. */
const loadCode: Loader = async (file, onCode) => {
  try {
    const exported = await importCode(file, { default: true, onCode });
    if (isNamespace(exported)) throw noDefault(file, exported);
    return { value: typeof exported === 'function' ? await (exported as () => unknown)() : exported };
  } catch (cause) {
    if (cause instanceof GraftError || cause instanceof FileProblem) throw cause;
    throw new Error(await loadReason(file, cause), { cause });
  }
};

/** An ES module without a default export is imported as a whole. */
function isNamespace(exported: unknown): exported is Readonly<Record<string, unknown>> {
  if (typeof exported !== 'object' || exported === null) return false;
  return (
    Object.prototype.toString.call(exported) === '[object Module]' ||
    (exported as { __esModule?: unknown }).__esModule === true
  );
}

function noDefault(file: string, exported: object): ConfigError {
  const names = Object.keys(exported);
  const what = names.length === 0 ? 'exports nothing' : `exports ${listed(names, 5)}`;
  return new ConfigError(`${file} has no default export: it ${what}.`, {
    code: 'config.no-default',
    hint: 'Write `export default defineExperiment({ … })`.',
  });
}

/** The text of a config, without a byte order mark. */
async function readText(file: string): Promise<string> {
  return (await readTextFile(file, { maxBytes: LARGEST_SETTINGS_BYTES })).replace(/^\ufeff/, '');
}

/** Only a parser's reason: its full message quotes lines of the file, which may contain secrets. */
async function parseFile(file: string, parse: (text: string) => Loaded): Promise<Loaded> {
  const text = await readText(file);
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof GraftError) throw error;
    // eslint-disable-next-line preserve-caught-error -- see above
    throw new Error(withoutValues((error as Error).message.split('\n')[0]));
  }
}

const loadYaml: Loader = (file) => parseFile(file, (text) => parseYamlWithEnvironment(text, file));

const loadJson: Loader = (file) => parseFile(file, (text) => ({ value: parseJson(text) }));

const LOADERS: Readonly<Record<string, Loader>> = {
  '.yaml': loadYaml,
  '.yml': loadYaml,
  '.json': loadJson,
  ...Object.fromEntries(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'].map((extension) => [extension, loadCode])),
};

/** YAML, of which JSON is a part. */
const RC_FILE = '.graftrc';

const SEARCH_PLACES = [
  ...Object.keys(LOADERS).map((extension) => `graft.config${extension}`),
  RC_FILE,
  ...Object.keys(LOADERS).map((extension) => `${RC_FILE}${extension}`),
];

/**
 * `graft.config.*`, or a `.graftrc`, in the folder or its nearest parent that has one. Throws ConfigError for one that
 * another user put there.
 */
export async function searchConfigFile(folder: string): Promise<string | undefined> {
  const file = await searchUpwards(folder, SEARCH_PLACES);
  if (file !== undefined) checkFoundConfig(file);
  return file;
}

async function readOne(
  file: string,
  namedBy: string | undefined,
  onCode: OnCode | undefined,
): Promise<{ readonly value: ConfigTree; readonly variables?: ReadonlyMap<string, string> }> {
  let loaded: Loaded;
  try {
    const load = basename(file) === RC_FILE ? loadYaml : (LOADERS[extname(file)] as Loader | undefined);
    if (!load) throw new Error(await oddName(file));
    loaded = await load(file, onCode);
  } catch (cause) {
    if (cause instanceof GraftError) throw cause;
    const reason = reasonOf(cause).split('\n')[0];
    const by = namedBy === undefined ? '' : ` (${namedBy} extends it)`;
    throw new ConfigError(`${file} cannot be read as a config: ${reason}${by}.`, { code: 'config.unreadable', cause });
  }
  const { value, variables } = loaded;
  if (!isObject(value)) {
    throw new ConfigError(`${file} should hold keys and values, but holds ${show(value)}.`, { code: 'config.shape' });
  }
  return { value, variables };
}

/** The problem of a file whose name does not determine its format. Throws FileProblem if it is not a regular file. */
async function oddName(file: string): Promise<string> {
  await checkRegularFile(file);
  return `its name does not end in ${Object.keys(LOADERS)
    .join(', ')
    .replace(/, (?=[^,]*$)/, ' or ')}`;
}

/**
 * What a file holds that is written like a config but is none: yaml, json, ts or js. Throws ConfigError if it cannot be
 * read as an object.
 */
export async function readSettingsFile(file: string, onCode?: OnCode): Promise<ConfigTree> {
  return (await readOne(file, undefined, onCode)).value;
}

/** Merges configs: for each, first the configs that it extends, in order, then itself. */
export class ConfigReader {
  readonly config: ConfigTree = {};
  private readonly done = new Set<string>();

  constructor(
    private readonly origins: Origins,
    private readonly onCode?: OnCode,
  ) {}

  /** Throws ConfigError if the file, or one that it extends, cannot be read, or extends itself. */
  async addFile(file: string, chain: readonly string[] = []): Promise<void> {
    if (chain.includes(file)) {
      throw new ConfigError(`${[...chain, file].join(' extends ')}: a config cannot extend itself.`, {
        code: 'config.cycle',
      });
    }
    // A base that two bases share is merged once: merged again, it would undo the changes of the first one.
    if (this.done.has(file)) return;
    const { value, variables = new Map<string, string>() } = await readOne(file, chain.at(-1), this.onCode);
    await this.addValue(value, { folder: dirname(file), source: file }, [...chain, file]);
    for (const [path, name] of variables) this.origins.setVariable(path, name);
    this.done.add(file);
  }

  async addValue(value: ConfigTree, origin: Origin, chain: readonly string[] = []): Promise<void> {
    const { extends: bases, plugins, ...own } = value;
    for (const base of bases === undefined ? [] : Array.isArray(bases) ? (bases as unknown[]) : [bases]) {
      if (typeof base !== 'string' || base === '') {
        throw new ConfigError(
          `${origin.source}: "extends" should be a file or a list of files, but holds ${show(base)}.`,
          { code: 'config.extends' },
        );
      }
      await this.addFile(resolve(origin.folder, base), chain);
    }
    mergeConfig(this.config, own, origin, this.origins);
    if (plugins !== undefined) this.addPlugins(plugins, origin);
  }

  /** Plugins are combined, because the sections of a base need the base's plugins. */
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
