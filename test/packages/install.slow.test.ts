/**
 * Every package alone: `npm install` of its tarball (and those of the packages of Graft that it needs) into an empty folder,
 * with install scripts on, and the lines of its README as an ES module, as CommonJS, and as TypeScript, on the oldest and the
 * newest Node that Graft supports. What is not Graft's comes from npm's registry.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as ts from 'typescript';
import { ROOT, temporaryFolder } from '../support';
import { write } from '../e2e/support/graft';
import { manifestOf, nodeTool, packAll, withGraftDependencies, WORKSPACES, type Tarball } from './tarballs';

const run = promisify(execFile);
const NODES = ['20', '24'];
/** Megabytes on disk with everything that comes with it. */
const LARGEST_MEGABYTES: Readonly<Record<string, number>> = {
  '@graft/errors': 0.2,
  '@graft/files': 0.3,
  '@graft/checkpoint': 2,
  '@graft/engine': 60,
};

const home = temporaryFolder();
const nodes = new Map<string, string>();
let tarballs: Tarball[];

async function npm(args: readonly string[], cwd: string): Promise<void> {
  // A user's npm, not one that runs in this repository, whose .npmrc turns install scripts off.
  const environment = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('npm_')));
  const flags = ['--no-audit', '--no-fund', '--prefer-offline'];
  await run('npm', [...args, ...flags], { cwd, env: environment, maxBuffer: 1 << 26 });
}

/** `node` of a major version, from the package that contains its binary. */
async function installNode(major: string): Promise<string> {
  const folder = join(home, `node-${major}`);
  write(join(folder, 'package.json'), '{"private": true}');
  await npm(['install', `node-${process.platform}-${process.arch}@${major}`], folder);
  return join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
}

beforeAll(async () => {
  tarballs = await packAll(join(home, 'tarballs'));
  for (const major of NODES) nodes.set(major, await installNode(major));
}, 600_000);

function megabytesOf(folder: string): number {
  const bytes = readdirSync(folder, { recursive: true, withFileTypes: true }).reduce(
    (sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0),
    0,
  );
  return bytes / 1e6;
}

const linesOf = (folder: string): string => {
  const [, lines] = /^```ts\n([^]*?)^```$/m.exec(readFileSync(join(ROOT, folder, 'README.md'), 'utf8'))!;
  return lines;
};

const compile = (lines: string, module: ts.ModuleKind): string =>
  ts.transpileModule(lines, { compilerOptions: { module, target: ts.ScriptTarget.ES2022, esModuleInterop: true } })
    .outputText;

/** CommonJS has no `await` outside of functions, nor may a declaration in one be exported. */
function asCommonJs(lines: string): string {
  const inner = lines.replaceAll(/^export /gm, '');
  const imports = inner.match(/^import .*$/gm)!.join('\n');
  const body = inner.replaceAll(/^import .*$/gm, '');
  return compile(`${imports}\nvoid (async () => {\n${body}\n})();`, ts.ModuleKind.CommonJS);
}

describe.each(WORKSPACES.map((folder) => [manifestOf(folder).name, folder]))('%s, installed alone', (name, folder) => {
  const project = join(home, 'projects', name);

  beforeAll(async () => {
    mkdirSync(project, { recursive: true });
    write(join(project, 'package.json'), '{"private": true}');
    const files = withGraftDependencies(tarballs, name).map(({ file }) => file);
    await npm(['install', ...files], project);
  }, 600_000);

  it('takes little space', () => {
    const limit = LARGEST_MEGABYTES[name];
    if (limit !== undefined) expect(megabytesOf(join(project, 'node_modules'))).toBeLessThan(limit);
    // Of TensorFlow.js nothing but the core, and that only where something computes.
    const tensorflow = join(project, 'node_modules', '@tensorflow');
    const computes = !['@graft/errors', '@graft/files', '@graft/checkpoint'].includes(name);
    expect(existsSync(tensorflow) ? readdirSync(tensorflow) : []).toEqual(computes ? ['tfjs-core'] : []);
  });

  it.each(NODES)('runs the lines of its README on Node %s, as an ES module and as CommonJS', async (major) => {
    const lines = linesOf(folder);
    write(join(project, 'lines.mjs'), compile(lines, ts.ModuleKind.ESNext));
    write(join(project, 'lines.cjs'), asCommonJs(lines));
    for (const file of ['lines.mjs', 'lines.cjs']) {
      const { stderr } = await run(nodes.get(major)!, [file], { cwd: project });
      expect(stderr).toBe('');
    }
  });

  it.each(['node16', 'bundler'])('type-checks the lines of its README with moduleResolution %s', async (resolution) => {
    write(join(project, 'lines.mts'), linesOf(folder));
    const module = resolution === 'bundler' ? 'esnext' : 'node16';
    const checks = ['--noEmit', '--strict', '--target', 'es2022', '--module', module, '--moduleResolution', resolution];
    const types = ['--typeRoots', join(ROOT, 'node_modules', '@types'), '--types', 'node'];
    await nodeTool('typescript/bin/tsc', [...checks, ...types, '--skipLibCheck', 'lines.mts'], project);
  });

  it('passes arethetypeswrong', async () => {
    const { file } = tarballs.find(({ manifest }) => manifest.name === name)!;
    // TypeScript resolves as Node 16 and bundlers do: nothing older is supported.
    await nodeTool('@arethetypeswrong/cli/dist/index.js', [file, '--profile', 'node16', '--format', 'ascii']);
  });
});
