// The published implementation's numbers on a device, by the golden tests themselves. A line of JSON each.
//   node golden.cjs --plugin FILE
import { runTests } from './runner.mjs';
import '../golden/forward.test';
import '../golden/trajectory.test';
import '../golden/trajectory.slow.test';
import '../golden/generation.test';
import '../golden/classification.test';
import '../golden/classifier.test';

async function main() {
  const say = (line) => console.log(JSON.stringify({ kind: 'golden', ...line }));
  const { passed, failed } = await runTests(/\bpjrt\b/, say);
  say({ passed, failed });
  if (failed.length > 0 || passed === 0) process.exitCode = 1;
}

void main();
