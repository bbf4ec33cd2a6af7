import { checkRegularFile } from '@graft/files';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { reasonOf } from '../util/reason';
import { CodeCache } from './code-cache';
import { ownersOf, untrustedPackage } from './trust';

/** The packages that configs and plugins in code can import, in any folder. */
const HOST_PACKAGES = ['@graft/core', '@graft/cli', '@graft/checkpoint', '@graft/engine', 'reflect-metadata', 'zod'];

/** Loaded with the first config or plugin in TypeScript: importing Graft must not cost that. */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- as above
export const loadJiti = (): typeof import('jiti') => require('jiti') as typeof import('jiti');

type Jiti = ReturnType<ReturnType<typeof loadJiti>['createJiti']>;

const jitiVersion = (): string => (createRequire(__filename)('jiti/package.json') as { version: string }).version;

/** Code that is about to run. */
export interface NamedCode {
  readonly path: string;
  /** The package with its version, if the code was named by its package. */
  readonly package?: string;
}

/** Called with code before it runs. The same file may come several times. */
export type OnCode = (code: NamedCode) => void;

export interface ImportOptions {
  /** Whether to return the default export. */
  readonly default?: true;
  /** Called with the file, and with the TypeScript that it imports. */
  readonly onCode?: OnCode;
}

/**
 * Runs a TypeScript or JavaScript file. A file outside any project gets Graft's packages from this one. Throws
 * FileProblem for a path that is not a regular file, and any exception of the code.
 */
export async function importCode(file: string, { onCode, ...options }: ImportOptions = {}): Promise<unknown> {
  // A FIFO would block the loader forever.
  await checkRegularFile(file);
  onCode?.({ path: file });
  const near = createRequire(file);
  const host = createRequire(__filename);
  const alias: Record<string, string> = {};
  const folder = dirname(file);
  for (const name of HOST_PACKAGES) {
    const found = resolveFrom(near, name);
    // A folder above the file that others have created is not its project.
    if (found === undefined || untrustedPackage(name, found, folder, { owners: ownersOf(folder) }))
      alias[name] = resolveFrom(host, name) ?? name;
  }
  const settings = { interopDefault: true, alias, fsCache: false, esmEvalTempFile: false };
  const { createJiti } = loadJiti();
  const compiler = createJiti(file, settings);
  const cache = new CodeCache();
  return createJiti(file, {
    ...settings,
    transform: (source) => {
      if (source.filename !== undefined && source.ts) onCode?.({ path: source.filename });
      return { code: compiled(compiler, cache, source) };
    },
  }).import(file, options);
}

/** jiti's own cache is in a temporary folder that every user can write to, and jiti would run files from there. */
function compiled(compiler: Jiti, cache: CodeCache, source: Parameters<Jiti['transform']>[0]): string {
  const versions = [jitiVersion(), process.versions.node];
  return cache.get([versions, source], () => compiler.transform(source));
}

/** jiti's message of a syntax error; Babel counts columns from 0. */
const PARSE_ERROR = /^ParseError: ([^]*?)\s*\n\s*(\/.*|[A-Za-z]:\\.*):(\d+):(\d+)\s*$/;
/** How Node begins the stack of a syntax error. */
const PLACE = /^(?:file:\/\/)?(?:\/|[A-Za-z]:).*:\d+$/;

/**
 * Why a file of code could not be run, as a clause: the first line of the exception, for a syntax error with its
 * position.
 */
export async function loadReason(file: string, thrown: unknown): Promise<string> {
  const reason = reasonOf(thrown);
  const parse = PARSE_ERROR.exec(reason);
  if (parse) {
    const [, what, where, line, column] = parse;
    return `${what} (${where}:${line}:${Number(column) + 1})`;
  }
  const first = reasonOf(reason.split('\n')[0]);
  if ((thrown as { name?: unknown } | null | undefined)?.name !== 'SyntaxError') {
    const at = throwingPlace(file, (thrown as Error | null | undefined)?.stack);
    return at === undefined ? first : `${first} (${at})`;
  }
  const place = placeIn((thrown as Error).stack) ?? (await placeOfSyntaxError(file));
  return place === undefined ? first : `${first} (${place})`;
}

/** Where code of a config threw: the innermost call in its file, or else in its folder, as `file:line`. Columns are those of compiled code. */
function throwingPlace(file: string, stack: unknown): string | undefined {
  if (typeof stack !== 'string') return undefined;
  const places = [...stack.matchAll(/^ {4}at (?:.*\()?((?:file:\/\/)?(?:\/|[A-Za-z]:)[^()\n]*?):(\d+):\d+\)?$/gm)].map(
    ([, path, line]) => ({
      path: path.startsWith('file:') ? fileURLToPath(path) : path,
      text: `:${line}`,
    }),
  );
  const folder = `${dirname(file)}${sep}`;
  const isOwn = (path: string): boolean => path.startsWith(folder) && !path.includes(`${sep}node_modules${sep}`);
  const found = places.find(({ path }) => path === file) ?? places.find(({ path }) => isOwn(path));
  return found && `${found.path}${found.text}`;
}

function placeIn(report: string | undefined): string | undefined {
  const place = report
    ?.split('\n')
    .find((line) => line.trim() !== '')
    ?.trim();
  if (place === undefined || !PLACE.test(place)) return undefined;
  return place.startsWith('file:') ? fileURLToPath(place) : place;
}

/** For an ES module, Node prints the position only if it reports the error itself; a `.js` file may be either kind. */
async function placeOfSyntaxError(file: string): Promise<string | undefined> {
  for (const kind of [[], ['--experimental-default-type=module']]) {
    try {
      await promisify(execFile)(process.execPath, [...kind, '--check', file]);
    } catch (error) {
      const place = placeIn((error as { stderr?: string }).stderr);
      if (place !== undefined) return place;
    }
  }
  return undefined;
}

function resolveFrom(from: NodeJS.Require, name: string): string | undefined {
  try {
    return from.resolve(name);
  } catch {
    return undefined;
  }
}
