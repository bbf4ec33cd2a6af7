// npm run api: rewrites docs/api/*.api.md, one report for each package: everything that its public entrances export, as
// declarations. A change of the API is thereby a change of a file, which a review sees. `--check` writes nothing and fails,
// naming the reports that are not current. It reads the declarations of the build (`npm run build`).
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { listPackages } from './packages.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDER = join(ROOT, 'docs', 'api');
/** Entrances that are not public. */
const PRIVATE = ['./internal', './package.json'];

function findPackages() {
  return listPackages()
    .map(({ folder, name, exports = {} }) => {
      const whole = join(ROOT, folder);
      return { folder: whole, name, entrances: entrancesOf(whole, exports) };
    })
    .filter(({ entrances }) => entrances.length > 0);
}

/** The declarations of each public entrance of a package: `./errors` -> dist/errors.d.ts. */
function entrancesOf(folder, exports) {
  return Object.entries(exports)
    .filter(([path]) => !PRIVATE.includes(path))
    .map(([path, target]) => ({ path, file: join(folder, (target.require ?? target).types) }));
}

const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });

const isPrivate = (member) =>
  (member.name && ts.isPrivateIdentifier(member.name)) ||
  Boolean(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private);

/** A declaration as text; private members of classes are left out. */
function textOf(node) {
  const source = node.getSourceFile();
  if (ts.isClassDeclaration(node)) {
    const { factory } = ts;
    const members = node.members.filter((member) => ts.isConstructorDeclaration(member) || !isPrivate(member));
    const { modifiers, name, typeParameters, heritageClauses } = node;
    node = factory.updateClassDeclaration(node, modifiers, name, typeParameters, heritageClauses, members);
  }
  if (ts.isVariableDeclaration(node)) return `const ${printer.printNode(ts.EmitHint.Unspecified, node, source)};`;
  return printer.printNode(ts.EmitHint.Unspecified, node, source).replace(/^(export )?(default )?(declare )?/, '');
}

/** Where a symbol of another package comes from: `from "@graft/engine"`. */
function packageOf(file) {
  const own = findPackages().find(({ folder }) => file.startsWith(join(folder, '/')));
  if (own) return own.name;
  const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file) ?? [];
  return name;
}

function entriesOf(checker, source, folder) {
  const module_ = checker.getSymbolAtLocation(source);
  const exported = module_ ? checker.getExportsOfModule(module_) : [];
  return exported
    .map((symbol) => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      const declarations = (target.declarations ?? []).filter((node) => !ts.isSourceFile(node));
      const elsewhere = declarations.find((node) => !node.getSourceFile().fileName.startsWith(join(folder, '/')));
      const from = elsewhere ?? (declarations.length === 0 ? target.declarations?.[0] : undefined);
      const name = symbol.name;
      if (from) return { name, text: `export { ${name} } from '${packageOf(from.getSourceFile().fileName)}';` };
      const renamed = name === target.name ? '' : `// exported as ${name}\n`;
      return { name, text: renamed + declarations.map(textOf).join('\n') };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The compiler lists words that a type consists of in the order in which it met them, which depends on what was built before:
 * here they are sorted.
 */
function inOneOrder(text) {
  const sorted = (parts) => [...parts].sort();
  return text
    .replace(/(?:^ *"?([\w-]+)"?: "\1";\n)+/gm, (entries) => sorted(entries.trimEnd().split('\n')).join('\n') + '\n')
    .replace(/"[\w-]+"(?: \| "[\w-]+")+/g, (union) => sorted(union.split(' | ')).join(' | '));
}

/** The reports by file name. Throws if the build lacks declarations. */
function makeReports() {
  const packages = findPackages();
  const files = packages.flatMap(({ entrances }) => entrances.map(({ file }) => file));
  const missing = files.filter((file) => !existsSync(file));
  if (missing.length > 0) throw new Error(`${relative(ROOT, missing[0])} is missing: run \`npm run build\` first.`);
  const program = ts.createProgram(files, {
    module: ts.ModuleKind.Node20,
    target: ts.ScriptTarget.ES2022,
    skipLibCheck: true,
    types: ['node'],
    noEmit: true,
  });
  const checker = program.getTypeChecker();
  return new Map(
    packages.map(({ name, folder, entrances }) => {
      const parts = entrances.map(({ path, file }) => {
        const entries = entriesOf(checker, program.getSourceFile(file), folder);
        return `## \`${join(name, path)}\`\n\n\`\`\`ts\n${entries.map(({ text }) => text).join('\n\n')}\n\`\`\`\n`;
      });
      const head = `# The API of ${name}\n\nWritten by \`npm run api\`; a change here is a change of what others depend on.\n`;
      return [`${basename(folder)}.api.md`, inOneOrder([head, ...parts].join('\n'))];
    }),
  );
}

const reports = makeReports();
const written = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.endsWith('.api.md')) : [];
const stale = [
  ...[...reports].filter(
    ([name, text]) => !written.includes(name) || readFileSync(join(FOLDER, name), 'utf8') !== text,
  ),
  ...written.filter((name) => !reports.has(name)).map((name) => [name]),
].map(([name]) => name);
if (process.argv.includes('--check')) {
  if (stale.length > 0) console.error(`Not current: ${stale.join(', ')}. \`npm run api\` rewrites docs/api.`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  mkdirSync(FOLDER, { recursive: true });
  for (const name of written) if (!reports.has(name)) rmSync(join(FOLDER, name));
  for (const [name, text] of reports) writeFileSync(join(FOLDER, name), text);
  console.log(`${reports.size} reports in docs/api, ${stale.length} of them changed.`);
}
