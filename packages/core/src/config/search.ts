import { ConfigError } from '@graft/engine';
import { Explorer, type ExplorerPlace } from 'cosmiconfig/dist/Explorer';
import { accessSync, constants, statSync } from 'node:fs';
import { extname, parse } from 'node:path';

/**
 * Only cosmiconfig's search: its public function first runs `.config/config.js` of the working folder, for settings of
 * its own. cosmiconfig reads a file before it returns it, and a pipe would block it forever, so only regular files are
 * considered.
 */
class ConfigSearch extends Explorer {
  override getSearchPlacesForDir(place: ExplorerPlace): string[] {
    if (place.isGlobalConfig) return [];
    return super.getSearchPlacesForDir(place, []).filter(isReadable);
  }
}

/** Throws ConfigError for a file that this user cannot read: cosmiconfig would skip it. */
function isReadable(file: string): boolean {
  try {
    if (!statSync(file).isFile()) return false;
  } catch {
    return false;
  }
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch (cause) {
    throw new ConfigError(`${file} cannot be read as a config: permission denied.`, {
      code: 'config.unreadable',
      hint: 'Name the config to use, or give yourself the right to read this one.',
      cause,
    });
  }
}

/** The first of these names in the folder or its nearest parent that has one. Its contents are not read. */
export async function searchUpwards(folder: string, names: readonly string[]): Promise<string | undefined> {
  const search = new ConfigSearch({
    moduleName: 'graft',
    searchPlaces: names,
    stopDir: parse(folder).root,
    searchStrategy: 'global',
    // An empty file and one with cosmiconfig's `$import` are found as well: the caller reads them.
    loaders: Object.fromEntries(names.map((name) => [extname(name) || 'noExt', () => ({ found: true })])),
    metaConfigFilePath: null,
    ignoreEmptySearchPlaces: false,
    mergeImportArrays: false,
    cache: false,
    transform: (found) => found,
  });
  return (await search.search(folder))?.filepath;
}
