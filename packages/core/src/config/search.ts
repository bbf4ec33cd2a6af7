import { ConfigError } from '@graft/engine';
import { Explorer, type ExplorerPlace } from 'cosmiconfig/dist/Explorer';
import { accessSync, constants, statSync } from 'node:fs';
import { parse } from 'node:path';

/**
 * cosmiconfig's search without what surrounds it: its entrance runs `.config/config.js` of the working folder, before any
 * search, for settings of its own. cosmiconfig reads a file before it hands it over, and a pipe would keep it for ever:
 * only regular files are places to look at.
 */
class ConfigSearch extends Explorer {
  override getSearchPlacesForDir(place: ExplorerPlace): string[] {
    if (place.isGlobalConfig) return [];
    return super.getSearchPlacesForDir(place, []).filter(isReadable);
  }
}

/** Throws ConfigError for a file that is there but not for this user: cosmiconfig would pass it over. */
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

/** The first of these names in the folder or the nearest one above it. What it holds is not looked at. */
export async function searchUpwards(folder: string, names: readonly string[]): Promise<string | undefined> {
  const search = new ConfigSearch({
    moduleName: 'graft',
    searchPlaces: names,
    stopDir: parse(folder).root,
    searchStrategy: 'global',
    // An empty file and one with cosmiconfig's `$import` are found as well: reading them is somebody else's work.
    loaders: Object.fromEntries(names.map((name) => [name.replace(/.*(?=\.)/, ''), () => ({ found: true })])),
    metaConfigFilePath: null,
    ignoreEmptySearchPlaces: false,
    mergeImportArrays: false,
    cache: false,
    transform: (found) => found,
  });
  return (await search.search(folder))?.filepath;
}
