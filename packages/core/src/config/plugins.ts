import { PluginError } from '@graft/engine';
import { createJiti } from 'jiti';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isPlugin, type Plugin } from '../plugin';

export type PluginReference = string | Plugin;

/** Whether a name is a file rather than a package. */
function isFile(name: string): boolean {
  return name.startsWith('.') || isAbsolute(name) || /\.[cm]?[jt]s$/.test(name);
}

function pick(module: unknown, name: string): Plugin {
  const exports = module as { default?: unknown; plugin?: unknown } | undefined;
  // CommonJS modules seen through import carry their exports under `default`.
  const inner = exports?.default as { default?: unknown; plugin?: unknown } | undefined;
  const found = [exports?.plugin, exports?.default, inner?.plugin, inner?.default, module].find(isPlugin);
  if (found) return found;
  throw new PluginError(
    `"${name}" is no Graft plugin: it exports neither "plugin" nor a default with a name and components.`,
    {
      code: 'plugin.not-a-plugin',
    },
  );
}

/**
 * Loads a plugin: a package (looked for from each of `folders` in turn), a local file relative to the first folder, or a
 * value that is one already. Throws PluginError in one sentence.
 */
export async function loadPlugin(
  reference: PluginReference,
  folders: readonly string[],
): Promise<{ plugin: Plugin; origin: string }> {
  if (typeof reference !== 'string') {
    if (isPlugin(reference)) return { plugin: reference, origin: 'the config itself' };
    throw new PluginError('`plugins:` holds something that is neither a name nor a plugin.', {
      code: 'plugin.not-a-plugin',
    });
  }
  if (isFile(reference)) {
    const file = resolve(folders[0] ?? '.', reference);
    if (!existsSync(file)) throw new PluginError(`Plugin file ${file} does not exist.`, { code: 'plugin.not-found' });
    return { plugin: pick(await load(file, reference), reference), origin: file };
  }
  for (const folder of folders) {
    let file: string;
    try {
      file = createRequire(join(folder, 'noop.js')).resolve(reference);
    } catch {
      continue;
    }
    return { plugin: pick(await load(file, reference), reference), origin: `package ${reference}` };
  }
  throw new PluginError(`Plugin "${reference}" is not installed (looked from ${folders.join(', ')}).`, {
    code: 'plugin.not-found',
    hint: `Run \`npm install ${reference}\`, or correct the name under \`plugins:\`.`,
  });
}

async function load(file: string, name: string): Promise<unknown> {
  try {
    if (/\.[cm]?ts$/.test(file)) return await createJiti(file).import(file);
    // Plain `require` for CommonJS: plugins must share this process's copy of the engine, and tests their module registry.
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- see above
    if (!/\.mjs$/.test(file)) return require(file) as unknown;
    return (await import(pathToFileURL(file).href)) as unknown;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_REQUIRE_ESM')
      return (await import(pathToFileURL(file).href)) as unknown;
    throw new PluginError(`Plugin "${name}" fails to load: ${(cause as Error).message.split('\n')[0]}.`, {
      code: 'plugin.load',
      cause,
    });
  }
}
