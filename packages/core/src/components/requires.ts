import { PluginError } from '@graft/engine';
import { satisfies, validRange } from 'semver';
import { show } from '../util/show';
import { ownVersion } from '../util/version';

/** Throws PluginError if a plugin's `requires` excludes this version of Graft, or is not a valid range. */
export function checkRequires(name: string, requires: unknown, origin: string, version = ownVersion()): void {
  if (requires === undefined) return;
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
