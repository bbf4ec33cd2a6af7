/** The examples in docs/playbooks: each is type-checked in its place, its test runs, and its config makes the component. */
import {
  createComponentFactory,
  createRandom,
  definePlugin,
  INTERFACES,
  loadConfig,
  silentLogger,
  type ComponentDefinition,
  type ComponentSpec,
  type Plugin,
} from '@graft/core';
import { openEngine } from '@graft/engine';
import { plugin as gemma } from '@graft/gemma';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { plugin as scratch } from '@graft/scratch';
import { plugin as superglue } from '@graft/superglue';
import { plugin as text } from '@graft/text';
import yaml from 'js-yaml';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { ROOT } from '../support';

interface Page {
  readonly name: string;
  readonly markdown: string;
  /** Examples by the path that they would have in the repository. */
  readonly files: ReadonlyMap<string, string>;
  readonly config: Record<string, unknown>;
}

const FOLDER = join(ROOT, 'docs', 'playbooks');

/** The blocks of a page that begin with the path of a file. */
function filesOf(markdown: string): Map<string, string> {
  const blocks = [...markdown.matchAll(/^```ts\n\/\/ (\S+\.ts)\n(.*?)^```$/gms)];
  return new Map(blocks.map(([, file, code]) => [join(ROOT, file), code]));
}

function readPage(name: string): Page {
  const markdown = readFileSync(join(FOLDER, name), 'utf8');
  const [, config = ''] = /^```yaml\n(.*?)^```$/ms.exec(markdown) ?? [];
  return {
    name,
    markdown,
    files: filesOf(markdown),
    config: yaml.load(config) as Record<string, unknown>,
  };
}

const pages = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.md') && name !== 'README.md')
  .map(readPage);
const examples = new Map([
  ...pages.flatMap(({ files }) => [...files]),
  ...filesOf(readFileSync(join(ROOT, 'docs', 'plugins.md'), 'utf8')),
]);

/** The one edit that an example needs in a file that exists: SuperGLUE's tasks are a union of names. */
const TASK_TYPES = join(ROOT, 'plugins', 'superglue', 'src', 'tasks', 'task.ts');
const withTask = (source: string): string => source.replace('export type TaskId =', "export type TaskId = 'sst2' |");

function typeErrors(): string[] {
  const file = join(ROOT, 'tsconfig.tests.json');
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(file, ts.sys.readFile).config, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile, directoryExists } = host;
  host.directoryExists = (path) =>
    [...examples.keys()].some((example) => dirname(example) === path) || directoryExists!(path);
  host.fileExists = (path) => examples.has(path) || fileExists(path);
  host.readFile = (path) => examples.get(path) ?? readFile(path);
  host.getSourceFile = (path, version, ...rest) => {
    const source = path === TASK_TYPES ? withTask(readFile(path)!) : examples.get(path);
    return source === undefined
      ? getSourceFile(path, version, ...rest)
      : ts.createSourceFile(path, source, version, true);
  };
  const program = ts.createProgram([...examples.keys()], options, host);
  return [...examples.keys()].flatMap((path) => {
    const source = program.getSourceFile(path)!;
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ messageText, start = 0 }) => {
      const line = source.getLineAndCharacterOfPosition(start).line + 2;
      return `${path}, line ${line} of the example: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  });
}

const loaded = new Map<string, { exports: Record<string, unknown> }>();

/** An example's exports. Its relative imports are other examples, or files of the repository. */
function load(path: string): Record<string, unknown> {
  const known = loaded.get(path);
  if (known) return known.exports;
  const module = { exports: {} as Record<string, unknown> };
  loaded.set(path, module);
  const { outputText } = ts.transpileModule(examples.get(path)!, {
    fileName: path,
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      esModuleInterop: true,
      experimentalDecorators: true,
    },
  });
  const importFrom = (name: string): unknown => {
    if (!name.startsWith('.')) return jest.requireActual(name);
    const target = join(dirname(path), name);
    return examples.has(`${target}.ts`) ? load(`${target}.ts`) : jest.requireActual(target);
  };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the examples are ours, and are not files
  const run = new Function('require', 'module', 'exports', outputText) as (...names: unknown[]) => void;
  run(importFrom, module, module.exports);
  return module.exports;
}

const isComponent = (value: unknown): value is ComponentDefinition =>
  typeof value === 'object' && value !== null && 'interface' in value && 'id' in value;

const exportsOf = ({ files }: Page): [name: string, value: unknown][] =>
  [...files.keys()].filter((path) => !path.endsWith('.test.ts')).flatMap((path) => Object.entries(load(path)));

const componentsOf = (page: Page): ComponentDefinition[] => [
  ...new Set(
    exportsOf(page)
      .map(([, value]) => value)
      .filter(isComponent),
  ),
];

test('every example is free of type errors in its place in the repository', () => {
  expect(typeErrors()).toEqual([]);
});

test('every interface has a page', () => {
  const covered = new Set(pages.flatMap((page) => componentsOf(page).map(({ interface: name }) => name)));
  expect(INTERFACES.filter((name) => !covered.has(name))).toEqual([]);
});

describe.each(pages)('$name', (page) => {
  const files = [...page.files.keys()];

  it('the page shows a new file, and a test with the same name next to it', () => {
    const [component, test] = files;
    expect(test).toBe(component.replace(/\.ts$/, '.test.ts'));
    expect(files.filter(existsSync)).toEqual([]);
  });

  it('the file goes into a folder that exists, or that the page calls a new package', () => {
    const isNew = page.markdown.includes('README.md#a-new-package');
    expect(files.filter((path) => !existsSync(dirname(path)) && !isNew)).toEqual([]);
  });

  it('the page registers what the file exports', () => {
    const [, named] = /\*\*Register it\*\*: add\s+`(\w+)`/.exec(page.markdown) ?? [];
    const names = exportsOf(page).map(([name]) => name);
    expect(names).toContain(named ?? 'plugin');
  });

  describe('the test on the page', () => {
    for (const path of files.filter((file) => file.endsWith('.test.ts'))) load(path);
  });

  const components = componentsOf(page);
  if (components.length === 0) return;

  it('the config on the page is accepted and creates the component', async () => {
    const { plugins: _, ...sections } = page.config;
    const example: Plugin = definePlugin({ name: 'playbook', components });
    const { config, registry } = await loadConfig({
      value: {
        name: 'playbook',
        initializer: 'scratch',
        model: { preset: 's-s' },
        objective: 'prefix-lm',
        dataset: { use: 'text', files: 'README.md', tokenizer: 'bytes', lengthTokens: 64 },
        optimizer: { use: 'adamw', learningRate: 0.001 },
        train: { steps: 1 },
        ...sections,
      },
      plugins: [gemma, scratch, objectives, optimizers, text, superglue, example],
      workingFolder: ROOT,
    });
    const engine = await openEngine({ mode: 'portable' });
    const factory = createComponentFactory(registry, { engine, random: createRandom(0), logger: silentLogger() });
    for (const { interface: name, id } of components) {
      const [spec] = specsOf(config, id);
      expect(spec).toBeDefined();
      await expect(factory.create(name, spec)).resolves.toBeDefined();
    }
  });
});

/** Every place of a config that uses a component of that id. */
function specsOf(value: unknown, id: string): ComponentSpec[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('use' in value && value.use === id) {
    // The evaluators' `name` and `every` are the config's.
    const { name: _, every: __, ...spec } = value as ComponentSpec & { name?: unknown; every?: unknown };
    return [spec];
  }
  return Object.values(value).flatMap((part) => specsOf(part, id));
}
