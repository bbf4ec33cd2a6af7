import { PluginError } from '@graft/engine';
import { checkRegularFile } from '@graft/files';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isPlugin, type Plugin } from '../components/plugin';
import { Registry } from '../components/registry';
import { importCode, loadJiti, loadReason, type OnCode } from './code';
import { show } from '../util/show';
import { checkFoundPackage, ownersOf } from './trust';

/** A package's name, a file, or a plugin itself. */
export type PluginReference = string | Plugin;

/** What loading a plugin reports, and whom it trusts. */
export interface PluginOptions {
  /** Called with a plugin's file before it runs, except for Graft's own plugins. */
  readonly onCode?: OnCode;
  /** Users whose packages are loaded as well: by default this process's user and root. */
  readonly owners?: readonly number[];
}

const INLINE = 'the config itself';

/** Whether a name is a file rather than a package. */
export function isFile(name: string): boolean {
  return name.startsWith('.') || isAbsolute(name) || /\.[cm]?[jt]s$/.test(name);
}

function pick(module: unknown, name: string): Plugin {
  const exports = module as { default?: unknown; plugin?: unknown } | undefined;
  // CommonJS modules seen through import carry their exports under `default`.
  const inner = exports?.default as { default?: unknown; plugin?: unknown } | undefined;
  const found = [exports?.plugin, exports?.default, inner?.plugin, inner?.default, module].find(isPlugin);
  if (found) return found;
  throw new PluginError(
    `"${name}" is not a Graft plugin: it exports neither "plugin" nor a default with a name and components.`,
    { code: 'plugin.not-a-plugin', exitCode: 2 },
  );
}

/**
 * Loads a plugin: a package (resolved from each of `folders` in turn), a local file relative to the first folder, or a
 * plugin as a value. Throws PluginError in one sentence, also for a package that another user has put there.
 */
export async function loadPlugin(
  reference: PluginReference,
  folders: readonly string[],
  { onCode, owners = [] }: PluginOptions = {},
): Promise<{ plugin: Plugin; origin: string; file?: string }> {
  if (typeof reference !== 'string') {
    if (isPlugin(reference)) return { plugin: reference, origin: INLINE };
    throw new PluginError(`plugins: ${show(reference)} is neither the name of a package or file nor a plugin.`, {
      code: 'plugin.not-a-plugin',
      exitCode: 2,
    });
  }
  if (isFile(reference)) {
    const file = resolve(folders[0] ?? '.', reference);
    if (!existsSync(file)) {
      throw new PluginError(`Plugin file ${file} does not exist.`, { code: 'plugin.not-found', exitCode: 2 });
    }
    return { plugin: await loadPluginFile(file, reference, onCode), origin: file, file };
  }
  for (const folder of folders) {
    const file = resolvePackage(reference, folder);
    if (file === undefined) continue;
    const isBesideGraft = file === resolvePackage(reference, __dirname);
    // The owner of Graft's installation is trusted, with any modes: Graft's own code has the same modes.
    const trusted = [...owners, ...ownersOf(__dirname)];
    checkFoundPackage(reference, file, folder, { owners: trusted, anyMode: isBesideGraft });
    if (!(isBesideGraft && reference.startsWith('@graft/')))
      onCode?.({ path: file, package: [reference, versionOf(reference, file)].filter(Boolean).join(' ') });
    return { plugin: await loadPluginFile(file, reference), origin: `package ${reference}`, file };
  }
  throw new PluginError(`Plugin "${reference}" is not installed (looked from ${folders.join(', ')}).`, {
    code: 'plugin.not-found',
    exitCode: 2,
    hint: `Run \`npm install ${reference}\`, or correct the name under \`plugins:\`.`,
  });
}

/** Loads a plugin from the file in which it was found before. Throws PluginError. */
export async function loadPluginFile(file: string, name: string, onCode?: OnCode): Promise<Plugin> {
  return pick(await load(file, name, onCode), name);
}

/** The version of a file's package; undefined if its package.json does not state one. */
function versionOf(name: string, file: string): string | undefined {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (!existsSync(manifest)) continue;
    const found = createRequire(file)(manifest) as { name?: unknown; version?: unknown };
    if (found.name === name) return typeof found.version === 'string' ? found.version : undefined;
  }
  return undefined;
}

function resolvePackage(name: string, folder: string): string | undefined {
  const from = join(folder, 'noop.js');
  try {
    return createRequire(from).resolve(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') return undefined;
    // A package that can only be imported, not required.
    const jiti = loadJiti().createJiti(from, { fsCache: false });
    const url = jiti.esmResolve(name, { try: true, conditions: ['node', 'import'] });
    return url?.startsWith('file:') ? fileURLToPath(url) : url;
  }
}

async function load(file: string, name: string, onCode: OnCode | undefined): Promise<unknown> {
  try {
    if (/\.[cm]?ts$/.test(file)) return await importCode(file, { onCode });
    await checkRegularFile(file);
    onCode?.({ path: file });
    return await requireOrImport(file);
  } catch (cause) {
    throw new PluginError(`Plugin "${name}" fails to load: ${await loadReason(file, cause)}.`, {
      code: 'plugin.load',
      cause,
    });
  }
}

/** The module of a JavaScript file of either kind. */
async function requireOrImport(file: string): Promise<unknown> {
  const imported = (): Promise<unknown> => import(pathToFileURL(file).href);
  if (/\.mjs$/.test(file)) return imported();
  try {
    // Plain `require` for CommonJS: plugins must share this process's copy of the engine, and tests their module registry.
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- see above
    return require(file) as unknown;
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null | undefined)?.code === 'ERR_REQUIRE_ESM') return imported();
    throw error;
  }
}

/** Fills a registry from references, each plugin once. */
export class PluginLoader {
  readonly registry = new Registry();
  /** The names of the plugins in the resolved config: packages by name, files by path, values by the plugin's name. */
  readonly names: string[] = [];
  private readonly origins = new Set<string>();
  private readonly folders: readonly string[];

  /** `folders`: where packages and relative files are searched. */
  constructor(
    folders: readonly string[],
    private readonly options: PluginOptions = {},
  ) {
    // The last place to search is next to this package, where the host's own plugins are.
    this.folders = [...folders, __dirname];
  }

  /**
   * `home`: the folder against which a relative file is resolved, if it is not the first one. `owners`: trusted users
   * in addition to those of the options.
   */
  async add(reference: PluginReference, home?: string, owners: readonly number[] = []): Promise<void> {
    // A resolved config names the plugins that were passed as values, which are passed again.
    if (typeof reference === 'string' && this.registry.originOf(reference) === INLINE) return;
    const folders = [...new Set(home === undefined ? this.folders : [home, ...this.folders])];
    const { plugin, origin, file } = await loadPlugin(reference, folders, {
      ...this.options,
      owners: [...(this.options.owners ?? []), ...owners],
    });
    // A resolved config names the default plugins too; loading it again must not register them twice.
    if (origin !== INLINE && this.origins.has(origin)) return;
    this.registry.register(plugin, origin, file);
    this.origins.add(origin);
    const isPackage = origin.startsWith('package ');
    this.names.push(typeof reference !== 'string' ? plugin.name : isPackage ? reference : origin);
  }
}
