import { PluginError } from '@graft/engine';
import { show } from '../util/show';
import { ownVersion } from '../util/version';

/** Loaded with the first plugin that requires a version: importing Graft must not cost that. */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- as above
const loadSemver = (): typeof import('semver') => require('semver') as typeof import('semver');

/** Throws PluginError if a plugin's `requires` excludes this version of Graft, or is not a valid range. */
export function checkRequires(name: string, requires: unknown, origin: string, version = ownVersion()): void {
  if (requires === undefined) return;
  const { satisfies, validRange } = loadSemver();
  if (typeof requires !== 'string' || requires.trim() === '' || validRange(requires) === null)
    throw new PluginError(
      `Plugin "${name}" (${origin}) requires ${show(requires)} of Graft, which is not a range of versions; expected one such as "^0.2".`,
      { code: 'plugin.requires-range' },
    );
  if (satisfies(version, requires, { includePrerelease: true })) return;
  throw new PluginError(`Plugin "${name}" (${origin}) requires Graft ${requires}, but this is Graft ${version}.`, {
    code: 'plugin.requires',
    exitCode: 2,
    hint: `Run \`npm install '@graft/cli@${requires}'\`, or install a version of the plugin for Graft ${version}.`,
  });
}
