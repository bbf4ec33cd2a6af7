// npm run pack [FOLDER]: builds, and packs every package into a tarball in FOLDER (by default .cache/tarballs), as
// `npm publish` takes it. `--no-build` packs the build that is there, `--json` prints what npm reports. What is published has
// no file that no source has, and packages that name each other's versions as they are. docs/releasing.md has the steps.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { satisfies } from 'semver';
import { listPackages } from './packages.mjs';
import { build, fail, ROOT } from './prepare.mjs';
import { removeStale } from './stale.mjs';

const packages = listPackages();
const versions = new Map(packages.map(({ name, version }) => [name, version]));

function checkVersions() {
  const wrong = packages.flatMap(({ name, dependencies, peerDependencies }) =>
    Object.entries({ ...dependencies, ...peerDependencies })
      .filter(([other, range]) => versions.has(other) && !satisfies(versions.get(other), range))
      .map(([other, range]) => `${name} needs ${other} ${range}, which is ${versions.get(other)}`),
  );
  if (wrong.length > 0) fail(`The versions of the packages do not fit: ${wrong.join('; ')}.`);
}

const args = process.argv.slice(2);
const target = resolve(args.find((arg) => !arg.startsWith('--')) ?? join(ROOT, '.cache', 'tarballs'));
checkVersions();
if (!args.includes('--no-build')) await build();
for (const file of removeStale()) console.error(`Removed ${file}: no source has it.`);
mkdirSync(target, { recursive: true });
for (const name of readdirSync(target)) if (/^graft-.*\.tgz$/.test(name)) rmSync(join(target, name));
const { status, stdout } = spawnSync(
  'npm',
  ['pack', '--json', '--pack-destination', target, ...packages.flatMap(({ folder }) => ['--workspace', folder])],
  { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 },
);
if (status !== 0) fail('npm could not pack the packages; see above.');
// Newer npm prints an object by name, older npm a list.
const packed = Object.values(JSON.parse(stdout));
if (packed.length !== packages.length) fail(`${packed.length} of ${packages.length} packages were packed.`);
if (args.includes('--json')) console.log(JSON.stringify(packed));
else {
  const kilobytes = packed.reduce((sum, { size }) => sum + size, 0) / 1000;
  console.log(`${packed.length} tarballs (${kilobytes.toFixed(0)} kB) in ${relative(process.cwd(), target) || '.'}.`);
  const homeless = packages.filter(({ repository }) => !repository).length;
  if (homeless > 0)
    console.log(`${homeless} packages name no repository, which publishing needs: see docs/releasing.md.`);
}
