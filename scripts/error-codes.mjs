// npm run docs:codes: updates docs/troubleshooting.md to the error codes in the sources. New codes get the entry "TODO", to
// be written by hand; entries of removed codes are deleted. `--list` prints all codes with their places, `--json` the same as
// JSON; neither changes the page.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PAGE = join(ROOT, 'docs', 'troubleshooting.md');
const CODE = /^[a-z]+\.[a-z0-9-]+$/;
/** Names of files look like codes too. */
const FILE = /\.(js|json|jsonl|html|model|safetensors|ts)$/;

function sourceFiles() {
  return ['packages', 'plugins']
    .flatMap((root) => readdirSync(join(ROOT, root)).map((name) => `${root}/${name}/src`))
    .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true }).map((name) => `${folder}/${name}`))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.endsWith('.d.ts'))
    .sort();
}

/** The strings that an expression can be: literals, alternatives, and constants of the same file. */
function stringsOf(expression, constants) {
  if (!expression) return [];
  if (ts.isStringLiteralLike(expression)) return [expression];
  if (ts.isConditionalExpression(expression))
    return [expression.whenTrue, expression.whenFalse].flatMap((part) => stringsOf(part, constants));
  if (ts.isBinaryExpression(expression))
    return [expression.left, expression.right].flatMap((part) => stringsOf(part, constants));
  if (ts.isParenthesizedExpression(expression) || ts.isAsExpression(expression))
    return stringsOf(expression.expression, constants);
  if (ts.isIdentifier(expression)) return stringsOf(constants.get(expression.text), new Map());
  return [];
}

const nameOf = (node) => (node && (ts.isIdentifier(node) || ts.isPrivateIdentifier(node)) ? node.text : undefined);
const isCodeName = (name) => name !== undefined && /^code$|Code$/.test(name);

function walk(node, visit) {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** The name under which a function is called: its own, or that of the constant or property that holds it. */
function calledAs(node) {
  if (ts.isConstructorDeclaration(node)) return nameOf(node.parent.name);
  return nameOf(node.name) ?? nameOf(node.parent?.name);
}

/** Every error code in the sources with the places (`file:line`) where it is given to an error, sorted by code. */
export function findErrorCodes() {
  const sources = sourceFiles().map((file) =>
    ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest, true),
  );
  // Functions that take a code as an argument, by name: the codes are then in their calls.
  const positions = new Map();
  for (const source of sources)
    walk(source, (node) => {
      if (!ts.isFunctionLike(node)) return;
      const at = node.parameters.findIndex((parameter) => isCodeName(nameOf(parameter.name)));
      if (at >= 0 && calledAs(node)) positions.set(calledAs(node), at);
    });

  const codes = new Map();
  const loose = [];
  for (const source of sources) {
    const constants = new Map();
    walk(source, (node) => {
      if (ts.isVariableDeclaration(node) && nameOf(node.name) && node.initializer)
        constants.set(nameOf(node.name), node.initializer);
    });
    const placeOf = (node) =>
      `${source.fileName}:${source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1}`;
    const add = (expression) => {
      for (const literal of stringsOf(expression, constants))
        if (CODE.test(literal.text))
          codes.set(literal.text, (codes.get(literal.text) ?? new Set()).add(placeOf(literal)));
    };
    walk(source, (node) => {
      if (ts.isPropertyAssignment(node) || ts.isPropertyDeclaration(node) || ts.isParameter(node)) {
        if (isCodeName(nameOf(node.name))) add(node.initializer);
      } else if (ts.isShorthandPropertyAssignment(node)) {
        if (isCodeName(nameOf(node.name))) add(constants.get(node.name.text));
      } else if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
        const callee = ts.isPropertyAccessExpression(node.expression) ? node.expression.name : node.expression;
        add(node.arguments?.[positions.get(nameOf(callee)) ?? -1]);
      } else if (ts.isStringLiteralLike(node) && CODE.test(node.text) && !FILE.test(node.text)) {
        loose.push([node.text, placeOf(node)]);
      }
    });
  }
  // A code may also come out of a table or a list. Any other string counts as one if it starts with a known area.
  const areas = new Set([...codes.keys()].map((code) => code.split('.')[0]));
  for (const [text, place] of loose)
    if (!codes.has(text) && areas.has(text.split('.')[0])) codes.set(text, new Set([place]));
  return [...codes].map(([code, places]) => ({ code, places: [...places] })).sort((a, b) => (a.code < b.code ? -1 : 1));
}

/** The page with one entry for each code, in order, under the heading of its area. Explanations are kept. */
export function updatedPage(page, codes) {
  const wanted = new Map();
  for (const code of codes) {
    const [area] = code.split('.');
    wanted.set(area, [...(wanted.get(area) ?? []), code]);
  }
  const written = new Map(entriesOf(page).map(({ code, text }) => [code, text]));
  const [before, ...sections] = page.split(/^(?=## `)/m);
  const titles = new Map(sections.map((section) => [/^## `([a-z]+)`/.exec(section)?.[1], section]));
  const areas = [...wanted.keys()].sort();
  const parts = areas.map((area) => {
    const head = (titles.get(area) ?? `## \`${area}\`: TODO\n`).split(/^- `/m)[0].trimEnd();
    const entries = wanted.get(area).map((code) => `- \`${code}\`: ${written.get(code) ?? 'TODO'}`);
    return `${head}\n\n${entries.join('\n')}\n`;
  });
  return `${before.trimEnd()}\n\n${parts.join('\n')}`;
}

/** The entries of a page: `- \`code\`: text`, up to the next entry, heading or empty line. */
export function entriesOf(page) {
  return [...page.matchAll(/^- `([a-z]+\.[a-z0-9-]+)`: (.*(?:\n {2}.*)*)/gm)].map(([, code, text]) => ({ code, text }));
}

if (basename(process.argv[1] ?? '') === 'error-codes.mjs') {
  const codes = findErrorCodes();
  if (process.argv.includes('--json')) console.log(JSON.stringify(codes));
  else if (process.argv.includes('--list'))
    for (const { code, places } of codes) console.log(`${code.padEnd(34)} ${places.join(' ')}`);
  else {
    const page = readFileSync(PAGE, 'utf8');
    const after = updatedPage(
      page,
      codes.map(({ code }) => code),
    );
    if (after !== page) writeFileSync(PAGE, after);
    const unwritten = entriesOf(after).filter(({ text }) => text === 'TODO');
    console.log(`${codes.length} codes, ${unwritten.length} to be explained in docs/troubleshooting.md.`);
    for (const { code } of unwritten)
      console.log(`  ${code} (${codes.find((found) => found.code === code).places.join(', ')})`);
  }
}
