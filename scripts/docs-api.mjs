// npm run docs:api: writes pages about everything that the packages export to .cache/api, from the comments in the sources
// (TypeDoc). Fails on every warning of TypeDoc, if an export or a method of one has no sentence, and if an export refers to a
// type that is not exported. `--check`, a part of `npm run lint`, writes nothing.
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, ReflectionKind, TSConfigReader, TypeDocReader } from 'typedoc';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** What its name says in every class that has it. */
const SELF_EXPLAINING = ['dispose', 'close', 'toString', 'toJSON'];

/** Types that an export refers to, and that nobody needs by name: parts of declarations, written apart from them. */
const INTENDED = [
  'Choice',
  'Constructor',
  'decayingOptions',
  'indexSchema',
  'Json',
  'Known',
  'Lengths',
  'LoadOptions',
  'OptionsOf',
  'Parts',
  'RunFolder',
  'Save',
  'SideNames',
  'Tokens',
  'TRAINING_SECTIONS',
];

const isDocumented = (reflection) =>
  [reflection, ...(reflection.signatures ?? []), reflection.getSignature].some((one) => one?.hasComment());

/** Whether a reader needs a sentence: for exports and their methods; properties are named and typed where they are. */
function needsSentence(reflection) {
  if (isDocumented(reflection)) return false;
  if (reflection.parent.kindOf(ReflectionKind.Module)) return !reflection.kindOf(ReflectionKind.Reference);
  if (!reflection.kindOf([ReflectionKind.Method, ReflectionKind.Accessor])) return false;
  const isOwn = !reflection.inheritedFrom && !reflection.implementationOf && !reflection.overwrites;
  return isOwn && !reflection.name.startsWith('[') && !SELF_EXPLAINING.includes(reflection.name);
}

function undocumented(reflection) {
  const inner = (reflection.children ?? []).flatMap(undocumented);
  return reflection.parent && !reflection.kindOf(ReflectionKind.Module) && needsSentence(reflection)
    ? [reflection, ...inner]
    : inner;
}

function placeOf(reflection) {
  const { fileName, pos } = reflection.project.getSymbolIdFromReflection(reflection) ?? {};
  if (fileName === undefined) return 'a generated declaration';
  const line = readFileSync(fileName, 'utf8').slice(0, pos).split('\n').length;
  return `${relative(ROOT, fileName)}:${line}`;
}

/** Types of our packages that an export refers to, but that nothing exports: each with a place that refers to it. */
function unexported(project) {
  const found = new Map();
  const walk = (node, path) => {
    if (Array.isArray(node)) return node.forEach((each) => walk(each, path));
    if (typeof node !== 'object' || node === null) return;
    const inner = typeof node.kind === 'number' && node.name !== undefined ? [...path, node.name] : path;
    const { packageName, packagePath, qualifiedName } = (node.type === 'reference' && node.target) || {};
    if (packageName?.startsWith('@graft/') && !node.refersToTypeParameter && !INTENDED.includes(qualifiedName))
      found.set(`${packageName}/${packagePath}: ${qualifiedName}`, inner.slice(1).join('.'));
    for (const value of Object.values(node)) walk(value, inner);
  };
  walk(app.serializer.projectToObject(project, ROOT), []);
  return found;
}

process.chdir(ROOT);
const app = await Application.bootstrap({ options: join(ROOT, 'typedoc.json') }, [
  new TypeDocReader(),
  new TSConfigReader(),
]);
const project = await app.convert();
if (!project) process.exit(1);
for (const module of project.children) {
  // `packages/core/src/index` is `@graft/core`.
  const [folder] = /^(?:packages|plugins)\/[^/]+/.exec(module.name);
  const { name } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
  const [, entrance = ''] = /src\/(?:.*\/)?(?!index)(\w+)$/.exec(module.name) ?? [];
  module.name = entrance ? `${name}/${entrance}` : name;
}
app.validate(project);
const missing = undocumented(project);
for (const reflection of missing)
  app.logger.error(`${placeOf(reflection)}: ${reflection.getFullName()} has no sentence`);
for (const [type, from] of unexported(project))
  app.logger.error(`${type} is not exported, but ${from} refers to it: export it, or list it in scripts/docs-api.mjs`);
if (!process.argv.includes('--check')) await app.generateOutputs(project);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;
