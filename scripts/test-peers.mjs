// npm run test:peers: what Graft writes, read by the published implementation. Its packages (several GB) go into a virtual
// environment in Graft's cache, never into the repository.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { installPeers } from './peers.mjs';
import { build, installLibrary, installPackages, ROOT } from './prepare.mjs';

installPackages();
await build();
await installLibrary();
const { venv } = installPeers([
  'torch',
  'transformers',
  'safetensors',
  'pyarrow',
  'sentencepiece',
  'gguf',
  'accelerate',
  'peft',
  'sacrebleu',
  'rouge_score',
  'torchmetrics',
  'trl',
  'math_verify',
]);
const { status } = spawnSync(
  process.execPath,
  [join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js'), 'test/peers', ...process.argv.slice(2)],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, GRAFT_PEERS_VENV: venv } },
);
process.exitCode = status ?? 1;
