import { ConfigError } from '@graft/engine';
import { cosmiconfig, type Loader } from 'cosmiconfig';
import { createJiti } from 'jiti';
import { load as parseYaml } from 'js-yaml';
import { dirname, resolve } from 'node:path';
import { isObject, mergeConfig, type ConfigTree, type Origins } from './merge';

const loadCode: Loader = async (file) => {
  const jiti = createJiti(file, { interopDefault: true });
  return jiti.import(file, { default: true });
};

const loadYaml: Loader = (_, content) => parseYaml(content);

const EXTENSIONS = ['.yaml', '.yml', '.json', '.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];

/** Finds `graft.config.*` (and the usual cosmiconfig names) when no file is named. */
function explorer(): ReturnType<typeof cosmiconfig> {
  return cosmiconfig('graft', {
    searchPlaces: [...EXTENSIONS.map((extension) => `graft.config${extension}`), '.graftrc.yaml', '.graftrc.json'],
    loaders: Object.fromEntries(
      EXTENSIONS.map((extension) => [extension, /ya?ml$|json$/.test(extension) ? loadYaml : loadCode]),
    ),
  });
}

export async function searchConfigFile(folder: string): Promise<string | undefined> {
  return (await explorer().search(folder))?.filepath;
}

async function readOne(file: string): Promise<ConfigTree> {
  let value: unknown;
  try {
    value = (await explorer().load(file))?.config;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : message.split('\n')[0];
    throw new ConfigError(`${file} cannot be read as a config: ${reason}.`, { code: 'config.unreadable', cause });
  }
  if (typeof value === 'function') value = await (value as () => unknown)();
  if (!isObject(value)) {
    throw new ConfigError(
      `${file} should hold keys and values, but holds ${value === undefined ? 'nothing' : JSON.stringify(value)}.`,
      {
        code: 'config.shape',
      },
    );
  }
  return value;
}

/** Lays a config file over `target`: first what it extends, in order, then itself. */
export async function readConfigFile(
  file: string,
  target: ConfigTree,
  origins: Origins,
  chain: readonly string[] = [],
): Promise<void> {
  if (chain.includes(file)) {
    throw new ConfigError(`${[...chain, file].join(' extends ')}: a config cannot extend itself.`, {
      code: 'config.cycle',
    });
  }
  const { extends: bases, ...own } = await readOne(file);
  const list = bases === undefined ? [] : Array.isArray(bases) ? (bases as unknown[]) : [bases];
  for (const base of list) {
    if (typeof base !== 'string') {
      throw new ConfigError(
        `${file}: "extends" should be a file or a list of files, but holds ${JSON.stringify(base)}.`,
        { code: 'config.extends' },
      );
    }
    await readConfigFile(resolve(dirname(file), base), target, origins, [...chain, file]);
  }
  mergeConfig(target, own, { folder: dirname(file), source: file }, origins);
}
