// What unknown peers at the control channel cost a run: node test/bench/unknown-peers.mjs [--steps 1500] [--peers 500]
//   A small run with --local-workers 2 by itself, and while this many unknown peers connect every half second and send junk.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './statistics.mjs';

const { values: options } = parseArgs({
  options: { steps: { type: 'string', default: '1500' }, peers: { type: 'string', default: '500' } },
});
const BINARY = fileURLToPath(new URL('../../packages/cli/bin/graft.js', import.meta.url));
const JUNK = [
  'GET / HTTP/1.1\r\n\r\n',
  '{"t":"hello"}\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc',
  'x'.repeat(1 << 16),
  '',
];
const folder = mkdtempSync(join(tmpdir(), 'graft-bench-'));

writeFileSync(
  join(folder, 'pairs.jsonl'),
  Array.from({ length: 10 }, (_, i) => JSON.stringify({ question: `q${i}`, answer: `a${i}` })).join('\n'),
);
const side = { layers: 1, hidden: 16, feedForward: 16, heads: 2 };
writeFileSync(
  join(folder, 'config.json'),
  JSON.stringify({
    name: 'bench',
    model: { vocabularySize: 260, encoder: side, decoder: side },
    initializer: { use: 'scratch' },
    objective: { use: 'seq2seq', padToMultipleOf: 16 },
    dataset: { use: 'jsonl', files: 'pairs.jsonl', source: 'question', target: 'answer', tokenizer: 'bytes' },
    optimizer: { use: 'adamw', learningRate: 0.01 },
    train: { steps: Number(options.steps), batchSize: 4, checkpointEvery: 0 },
    engine: 'graph',
    runs: 'runs',
  }),
);

/** The port of worker 0, as the command line of the worker that it started says it. */
function portOf(parent) {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').split(' ').filter(Boolean);
  for (const child of children) {
    const words = readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0');
    const at = words.indexOf('--workers');
    if (at > 0) return Number(words[at + 1].split(',')[0].split(':')[1]);
  }
  return undefined;
}

async function run(peers) {
  const child = spawn(process.execPath, [BINARY, '--quiet', 'run', 'config.json', '--local-workers', '2'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (part) => (output += part));
  let over = false;
  const ended = new Promise((resolve) => child.on('close', (status) => ((over = true), resolve(status))));
  let connected = 0;
  while (peers > 0 && !over) {
    const port = portOf(child.pid);
    const sockets = Array.from({ length: port === undefined ? 0 : peers }, (_, i) => {
      const socket = connect(port, '127.0.0.1', () => {
        connected++;
        socket.write(JUNK[i % JUNK.length], 'latin1');
      });
      return socket.on('error', () => undefined);
    });
    await sleep(500);
    for (const socket of sockets) socket.destroy();
  }
  const status = await ended;
  const lines = readFileSync(join(output.trim(), 'metrics.jsonl'), 'utf8').trim().split('\n');
  const times = lines.slice(10).map((line) => 1000 * JSON.parse(line).seconds);
  console.log(
    `${connected} unknown peers: status ${status}, ${lines.length} steps, median ${median(times).toFixed(1)} ms, ` +
      `the slowest of a hundred ${times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)].toFixed(1)} ms`,
  );
}

try {
  await run(0);
  await run(Number(options.peers));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
