// node test/bench/imports.mjs [PACKAGE...]: what importing each package costs, and how long the command takes to start: the
// median of ten new processes each, after one that fills the system's file cache. `import` is measured in the process, `process`
// around it, with Node's own start; `processor` is what both cost in processor time, which other programs disturb less.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listPackages } from '../../scripts/packages.mjs';
import { median } from './statistics.mjs';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const RUNS = 10;

const packages = listPackages().map(({ name }) => name);

/** What a process prints about itself at its end: milliseconds and the number of modules. */
const measured = (code) => `
  const start = performance.now();
  ${code}
  const seconds = performance.now() - start;
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify([seconds, (user + system) / 1000, Object.keys(require.cache).length]));`;

function measure(label, args) {
  const results = [];
  for (let i = 0; i <= RUNS; i++) {
    const start = performance.now();
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${label} failed: ${stderr}`);
    const wall = performance.now() - start;
    const own = /^\[.*\]$/m.exec(stdout);
    if (i > 0) results.push([wall, ...(own ? JSON.parse(own[0]) : [])]);
  }
  const [wall, inside, processor, modules] = results[0].map((_, i) => median(results.map((result) => result[i])));
  const cell = (value, unit = 'ms') =>
    (value === undefined ? '' : `${value.toFixed(0)}${unit && ` ${unit}`}`).padStart(10);
  console.log(`${label.padEnd(26)}${cell(inside)}${cell(wall)}${cell(processor)}${cell(modules, '')}`);
}

console.log(
  `${'median of ten'.padEnd(26)}${['import', 'process', 'processor', 'modules'].map((h) => h.padStart(10)).join('')}`,
);
const chosen = process.argv.slice(2);
if (chosen.length === 0) measure('nothing', ['-e', measured('')]);
for (const name of chosen.length > 0 ? chosen : packages) measure(name, ['-e', measured(`require('${name}');`)]);
if (chosen.length === 0)
  for (const args of [['--version'], ['--help'], ['plugins']])
    measure(`graft ${args.join(' ')}`, [join(ROOT, 'packages', 'cli', 'bin', 'graft.js'), ...args]);
