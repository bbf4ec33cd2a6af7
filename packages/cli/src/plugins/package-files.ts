import type { InterfaceName } from '@graft/core';
import type { PluginNames } from './plugin-names';

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** How a config names a component of that kind. */
const USES: Readonly<Record<InterfaceName, (id: string) => string>> = {
  model: (id) => `model: { use: ${id} }`,
  initializer: (id) => `initializer: { use: ${id} }`,
  objective: (id) => `objective: { use: ${id} }`,
  optimizer: (id) => `optimizer: { use: ${id} }`,
  schedule: (id) => `schedule: { use: ${id} }`,
  dataset: (id) => `dataset: { use: ${id} }`,
  evaluator: (id) => `evaluators: [{ use: ${id}, every: 100 }]`,
  tokenizer: (id) => `dataset: { use: text, files: texts/*.txt, tokenizer: { use: ${id} }, lengthTokens: 64 }`,
  tracker: (id) => `trackers: [{ use: ${id} }]`,
  callback: (id) => `callbacks: [{ use: ${id} }]`,
};

/** The files of a plugin's package besides its sources, by path. */
export function packageFiles(kind: InterfaceName, names: PluginNames, version: string): Record<string, string> {
  const range = `^${version}`;
  return {
    'package.json': json({
      name: names.package,
      version: '0.1.0',
      description: `A Graft plugin with the ${kind} "${names.id}"`,
      keywords: ['graft', 'graft-plugin'],
      license: 'UNLICENSED',
      type: 'commonjs',
      main: 'dist/index.js',
      types: 'dist/index.d.ts',
      exports: {
        '.': { types: './dist/index.d.ts', default: './dist/index.js' },
        './package.json': './package.json',
      },
      files: ['dist', '!dist/*.test.*'],
      engines: { node: '>=20' },
      scripts: {
        build: 'tsc',
        test: `tsc && node --test dist/${names.id}.test.js`,
        prepack: 'npm run build',
      },
      // There is one engine in a process, so that a plugin and Graft share one copy of each.
      peerDependencies: { '@graft/core': range, '@graft/engine': range, zod: '^4.0.0' },
      devDependencies: {
        '@graft/cli': range,
        '@graft/core': range,
        '@graft/engine': range,
        '@graft/testing': range,
        '@types/node': '^20.19.0',
        typescript: '^6.0.0',
        zod: '^4.6.7',
      },
    }),
    'tsconfig.json': json({
      compilerOptions: {
        target: 'ES2022',
        lib: ['ES2022'],
        module: 'node20',
        strict: true,
        declaration: true,
        skipLibCheck: true,
        types: ['node'],
        rootDir: 'src',
        outDir: 'dist',
      },
      include: ['src/**/*.ts'],
    }),
    '.gitignore': 'node_modules/\ndist/\n*.tgz\n',
    'README.md': readme(kind, names),
  };
}

function readme(kind: InterfaceName, names: PluginNames): string {
  const use = USES[kind](names.id);
  return `# ${names.package}

A plugin for Graft. It provides the ${kind} \`${names.id}\`.

## Use it

\`\`\`
npm install ${names.package}
\`\`\`

\`\`\`yaml
plugins: [${names.package.startsWith('@') ? `'${names.package}'` : names.package}]
${use}
\`\`\`

The schema at the top of [src/${names.id}.ts](src/${names.id}.ts) documents the options.

## Work on it

\`\`\`
npm install                                   # Graft, TypeScript
npm test                                      # builds, and checks the ${kind} against the rules of its interface
npx graft plugins --plugin ./dist/index.js    # lists the component beside Graft's own
npm pack                                      # the tarball to install or publish
\`\`\`

- \`src/${names.id}.ts\` is the ${kind}: its options, its code, and \`defineComponent\`, which connects both to an id.
- \`src/${names.id}.test.ts\` runs the conformance suite of \`@graft/testing\`, which needs no native library. Add your own
  tests of what the ${kind} is for.
- \`src/index.ts\` exports the plugin. Add other components to its list.
- Decide on a license in \`package.json\` before you publish.
`;
}
