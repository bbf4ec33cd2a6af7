import { UsageError } from '@graft/errors';

/** The names in a new plugin package, all derived from the package's. */
export interface PluginNames {
  /** As npm knows it: `@me/graft-plugin-step-decay`. */
  readonly package: string;
  /** The package's name without its scope: the folder. */
  readonly folder: string;
  /** What a config names, also the file: `step-decay`. */
  readonly id: string;
  /** `stepDecay`. */
  readonly camel: string;
  /** `StepDecay`. */
  readonly pascal: string;
}

/** npm's rules for new packages, and a file name everywhere. */
const PACKAGE = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/;
const LONGEST_NAME = 214;
const PREFIX = /^(?:graft-plugin-|graft-)/;
/** Files of the package itself, and names that npm or JavaScript has taken. */
const TAKEN = new Set(['index', 'node_modules', 'favicon.ico', 'graft', 'graft-plugin']);

/** Words of JavaScript that cannot be the name of a constant. */
const RESERVED = new Set(
  (
    'arguments await break case catch class const continue debugger default delete do else enum eval export extends false ' +
    'finally for function if implements import in instanceof interface let new null package private protected public ' +
    'return static super switch this throw true try typeof undefined var void while with yield'
  ).split(' '),
);

const upper = (word: string): string => word[0].toUpperCase() + word.slice(1);

/** Why a name cannot be given to a package; `problem` is a clause. */
export function badPluginName(name: string, problem: string): UsageError {
  return new UsageError(`"${name}" cannot be the name of a plugin package: ${problem}.`, {
    code: 'plugin.package-name',
    hint: 'Use lower-case letters, digits and "-", such as graft-plugin-step-decay or @me/step-decay.',
  });
}

/** Throws UsageError for a name that npm rejects, or from which no id can be derived. */
export function pluginNames(name: string): PluginNames {
  const refused = (problem: string): UsageError => badPluginName(name, problem);
  if (!PACKAGE.test(name))
    throw refused('npm takes lower-case letters, digits, "-", "_" and "." after an optional scope');
  if (name.length > LONGEST_NAME) throw refused(`it has more than ${LONGEST_NAME} characters`);
  if (name.startsWith('@graft/')) throw refused("the scope @graft is Graft's own");
  const folder = name.slice(name.indexOf('/') + 1);
  const id = folder.replace(PREFIX, '');
  const words = id.split(/[^a-z0-9]+/).filter(Boolean);
  if (TAKEN.has(folder) || TAKEN.has(id) || words.length === 0) throw refused('that name is taken');
  if (!/^[a-z]/.test(id)) throw refused('the name of its component would not begin with a letter');
  const pascal = words.map(upper).join('');
  const camel = pascal[0].toLowerCase() + pascal.slice(1);
  if (RESERVED.has(camel) || pascal in globalThis) throw refused(`"${id}" is a word of JavaScript`);
  return { package: name, folder, id, camel, pascal };
}
