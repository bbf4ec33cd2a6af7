// npm run bench: the engine's numbers on this machine, each in a process of its own.
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';

const node = (...args) => spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

console.log(`${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.versions.node}`);
process.stdout.write(node('test/bench/imports.mjs').stdout);
process.stdout.write(node('test/bench/engine.mjs').stdout);
let failed = false;
for (const [size, precision, mode] of [
  ['tiny', 'float32', 'xla'],
  ['tiny', 'float32', 'graph'],
  ['S', 'float32', 'xla'],
  ['S', 'bfloat16', 'graph'],
]) {
  const { stdout, status } = node('test/bench/train-step.mjs', size, precision, '--mode', mode);
  if (status !== 0) {
    failed = true;
    console.log(`training step ${size} ${precision} (${mode}): failed`);
    continue;
  }
  const r = JSON.parse(stdout.trim().split('\n').pop());
  console.log(
    `training step ${size} ${precision} (${mode}): median ${(r.medianSeconds * 1000).toFixed(1)} ms, min ${(r.minSeconds * 1000).toFixed(1)} ms, ` +
      `${r.tokensPerSecond.toFixed(0)} tokens/s, first call ${r.compileSeconds.toFixed(1)} s, peak ${r.peakResidentGiB.toFixed(2)} GiB`,
  );
}
const data = node('test/bench/data.mjs', '--mode', 'graph');
failed ||= data.status !== 0;
process.stdout.write(data.stdout);
process.exitCode = failed ? 1 : 0;
