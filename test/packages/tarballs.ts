import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../support';

const run = promisify(execFile);

/** Runs a command of a development tool; fails with what it printed. */
export async function nodeTool(path: string, args: readonly string[], cwd = ROOT): Promise<void> {
  await run(process.execPath, [join(ROOT, 'node_modules', path), ...args], { cwd, maxBuffer: 1 << 26 }).catch(
    ({ stdout, stderr }: { stdout: string; stderr: string }) => {
      throw new Error(`${path} found:\n${stdout}${stderr}`);
    },
  );
}

export interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** A package of Graft: its folder in the workspace and its tarball. */
export interface Tarball {
  readonly manifest: Manifest;
  readonly folder: string;
  readonly file: string;
  /** Paths in the tarball. */
  readonly paths: readonly string[];
}

/** Folders of the workspaces that are published, as `packages/core`. */
export const WORKSPACES: readonly string[] = ['packages', 'plugins'].flatMap((folder) =>
  readdirSync(join(ROOT, folder)).map((name) => join(folder, name)),
);

export const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as Manifest;

/** What `npm pack --json` prints for one package. */
export interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

export async function npmPack(args: readonly string[], cwd: string): Promise<Packed[]> {
  const { stdout } = await run('npm', ['pack', '--json', ...args], { cwd, maxBuffer: 1 << 26 });
  // Newer npm prints an object by name, older npm a list.
  return Object.values(JSON.parse(stdout) as Packed[] | Record<string, Packed>);
}

/** Every package, packed as `npm run pack` does, as it was built. */
export async function packAll(target: string): Promise<Tarball[]> {
  const script = join(ROOT, 'scripts', 'pack.mjs');
  const { stdout } = await run(process.execPath, [script, target, '--no-build', '--json'], { maxBuffer: 1 << 26 });
  const packed = JSON.parse(stdout) as Packed[];
  return WORKSPACES.map((folder) => {
    const manifest = manifestOf(folder);
    const { filename, files } = packed.find(({ name }) => name === manifest.name)!;
    return { manifest, folder, file: join(target, filename), paths: files.map(({ path }) => path) };
  });
}

/** A package's tarball and those of all packages of Graft that it needs. */
export function withGraftDependencies(tarballs: readonly Tarball[], name: string): Tarball[] {
  const found = new Map<string, Tarball>();
  const add = (wanted: string): void => {
    const tarball = tarballs.find(({ manifest }) => manifest.name === wanted);
    if (!tarball || found.has(wanted)) return;
    found.set(wanted, tarball);
    const { dependencies, peerDependencies } = tarball.manifest;
    for (const dependency of Object.keys({ ...dependencies, ...peerDependencies })) add(dependency);
  };
  add(name);
  return [...found.values()];
}
