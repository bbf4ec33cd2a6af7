// Tries mutated files on every reader of what comes from elsewhere, in processes of their own. Exits with 1 where a reader
// crashes, hangs, takes too much memory, fails with an error that is not one clear sentence, or takes what it should refuse.
//   [target ...]   Default: all.
//   --minutes N    in all, shared by the targets. Default: 10.
//   --inputs N     N inputs per target instead, whatever time they take
//   --seed S       Default: the time.
//   --case FOLDER  runs one saved input again
//   --list         prints the targets
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fuzzTargets, replay } from './lib/parent.mjs';
import { findTarget, TARGET_NAMES } from './targets/index.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function misused(sentence) {
  console.error(sentence);
  process.exit(2);
}

const { values, positionals: names } = readArguments();
const number = (name, usual) => {
  const value = Number(values[name] ?? usual);
  return value > 0 ? value : misused(`--${name} should be a number above 0, but is ${values[name]}.`);
};
const unknown = names.find((name) => !TARGET_NAMES.includes(name));
if (unknown !== undefined) misused(`There is no target "${unknown}"; there are ${TARGET_NAMES.join(', ')}.`);

if (values.list) await list();
else if (values.case !== undefined) await again(values.case);
else await fuzz(names.length > 0 ? names : TARGET_NAMES);

/** Without `--`, npm takes options for its own, and what follows them comes as another word. */
function readArguments() {
  const text = { type: 'string' };
  const options = { minutes: text, seed: text, inputs: text, case: text, list: { type: 'boolean' } };
  const parsed = parseArgs({ options, allowPositionals: true });
  const taken = Object.keys(options).filter(
    (name) => process.env[`npm_config_${name}`] && parsed.values[name] === undefined,
  );
  const bare = taken.filter((name) => name !== 'list' && process.env[`npm_config_${name}`] === 'true');
  if (bare.length > 1)
    misused('Several options want "--" in front of them: npm run fuzz -- TARGET --minutes 5 --seed 1');
  for (const name of taken)
    parsed.values[name] = bare.includes(name) ? parsed.positionals.pop() : process.env[`npm_config_${name}`];
  return parsed;
}

async function list() {
  for (const name of TARGET_NAMES) console.log(`${name.padEnd(20)} ${(await findTarget(name)).what}`);
}

async function again(folder) {
  if (names.length !== 1) misused('--case wants the target of the input: npm run fuzz -- parquet --case FOLDER');
  const problems = await replay(names[0], resolve(folder));
  for (const problem of problems) print(problem);
  if (problems.length === 0) console.log('Nothing is wrong.');
  process.exitCode = problems.length > 0 ? 1 : 0;
}

async function fuzz(targets) {
  const inputs = values.inputs === undefined ? Infinity : number('inputs');
  const minutes = number('minutes', 10);
  const seed = values.seed ?? String(Date.now() % 1e9);
  const milliseconds = inputs === Infinity ? (minutes * 60_000) / targets.length : Infinity;
  const length = inputs === Infinity ? `${minutes} minutes in all` : `${inputs} inputs each`;
  console.log(`Seed ${seed}; ${targets.length} ${targets.length === 1 ? 'target' : 'targets'}, ${length}.`);
  let [tried, mistakes] = [0, 0];
  for await (const { name, inputs: own, seconds, found } of fuzzTargets(targets, { seed, inputs, milliseconds })) {
    tried += own;
    mistakes += found.length;
    const rate = (own / seconds).toFixed(0);
    const figures = [
      `${own} inputs`.padStart(15),
      `${seconds.toFixed(0)} s`.padStart(8),
      `${rate} a second`.padStart(15),
    ];
    console.log(`${name.padEnd(20)}${figures.join('')}${`${found.length} found`.padStart(11)}`);
    for (const problem of found) {
      print(problem);
      const times = problem.times === 1 ? 'once' : `${problem.times} times`;
      console.log(`    ${times}; again with: npm run fuzz -- ${name} --case ${relative(ROOT, problem.folder)}`);
    }
  }
  console.log(`${tried} inputs tried, ${mistakes} found.`);
  process.exitCode = mistakes > 0 ? 1 : 0;
}

function print({ kind, message, stack = '' }) {
  console.log(`    ${kind}: ${message}`);
  const places = stack.split('\n').filter((line) => /^\s+at /.test(line));
  for (const line of places.slice(0, 3)) console.log(`      ${line.trim()}`);
}
