import type { InterfaceName } from '@graft/core';
import { UsageError } from '@graft/errors';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFiles } from './package-files';
import { badPluginName, type PluginNames } from './plugin-names';

/** One folder for each interface, with the names that `substituted` replaces. */
const TEMPLATES = join(__dirname, '..', '..', 'templates');

/** `my-plugin` in a template becomes the component's id, and so on. */
function substituted(text: string, { package: name, id, camel, pascal }: PluginNames): string {
  return text
    .replaceAll('my-package', name)
    .replaceAll('my-plugin', id)
    .replaceAll('myPlugin', camel)
    .replaceAll('MyPlugin', pascal);
}

/** Names that a file imports or declares itself. */
function ownNames(text: string): Set<string> {
  const imported = [...text.matchAll(/^import \{([^}]*)\}/gm)].flatMap(([, list]) => list.match(/\w+/g) ?? []);
  const declared = [...text.matchAll(/^(?:export )?(?:const|function|interface|class|type) (\w+)/gm)].map(
    ([, name]) => name,
  );
  return new Set([...imported, ...declared]);
}

/**
 * Writes a package with one component of that kind into a new folder. `version`: of Graft, for the ranges of dependencies.
 * Throws UsageError if the folder exists, or if the component would have the name of something that its code uses.
 */
export function writePlugin(folder: string, kind: InterfaceName, names: PluginNames, version: string): void {
  const files = new Map(Object.entries(packageFiles(kind, names, version)));
  for (const file of readdirSync(join(TEMPLATES, kind))) {
    const text = readFileSync(join(TEMPLATES, kind, file), 'utf8');
    const own = ownNames(text);
    const twice = [names.camel, names.pascal].find((name) => own.has(name));
    if (twice !== undefined) throw badPluginName(names.package, `its code would have two things named "${twice}"`);
    const target = file.replace('my-plugin', names.id).replace('.check.ts', '.test.ts');
    files.set(join('src', target), substituted(text, names));
  }
  if (existsSync(folder)) {
    throw new UsageError(`${folder} exists already.`, {
      code: 'plugin.folder-exists',
      hint: 'Name another folder with --out, or remove this one.',
    });
  }
  mkdirSync(join(folder, 'src'), { recursive: true });
  for (const [file, text] of files) writeFileSync(join(folder, file), text, { flag: 'wx' });
}
