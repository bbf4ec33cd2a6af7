/** What a person at a terminal sees: in a real one (a pseudo-terminal), of three widths. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describeIf, ROOT, screenAfter, temporaryFolder } from '../../support';
import { TINY_MODEL, graft, write } from '../support/graft';

const folder = temporaryFolder();
const IN_TERMINAL = join(ROOT, 'test', 'e2e', 'support', 'in-terminal.py');
const BINARY = join(ROOT, 'packages', 'cli', 'bin', 'graft.js');
const python = spawnSync('python3', ['-c', 'import pty']).status === 0;

/** Runs the command in a terminal of its own; Ctrl-C is typed when `trigger` was printed. */
function inTerminal(
  columns: number,
  trigger: string,
  ...args: string[]
): { status: number | null; output: string; screen: string[] } {
  const environment = { ...process.env, TERM: 'xterm', NO_COLOR: '1' };
  const command = [IN_TERMINAL, String(columns), trigger, process.execPath, BINARY, ...args];
  const { status, stdout } = spawnSync('python3', command, { cwd: folder, env: environment, encoding: 'utf8' });
  return { status, output: stdout, screen: screenAfter(stdout, columns) };
}

beforeAll(() => {
  const rows = Array.from({ length: 50 }, (_, i) => JSON.stringify({ source: `hello ${i}`, target: `there ${i}` }));
  write(join(folder, 'rows.jsonl'), rows.join('\n'));
  const data = '{ use: jsonl, files: rows.jsonl, source: source, target: target, tokenizer: { use: bytes } }';
  write(
    join(folder, 'run.yaml'),
    `name: a-name-of-a-run
engine: portable
${TINY_MODEL}
initializer: { use: scratch }
objective: { use: seq2seq }
dataset: ${data}
optimizer: { use: adamw, learningRate: 0.001 }
train: { steps: 100000, batchSize: 2, loader: { threads: 0 } }
runs: runs
`,
  );
});

describeIf(python, 'there is no python3 with pty', 'a run in a terminal', () => {
  it.each([80, 110, 120])('Ctrl-C at %d columns leaves whole lines', (columns) => {
    const { status, output, screen } = inTerminal(columns, ' left', 'run', 'run.yaml');
    expect(status).toBe(130);
    expect(output).toContain('^C');
    expect(screen.join('\n')).not.toContain('^C');
    const notice = screen.indexOf('Stopping after this step, with a checkpoint; once more ends at once.');
    expect(notice).toBeGreaterThan(2);
    const [bar, ...after] = screen.slice(notice + 1);
    expect(bar).toMatch(/^a-name-of-a-run [█░]+ \d+\/100000 \| loss \d+\.\d{4} \| [\d.]+K? tok(ens)?\/s \| \S+ left$/);
    // The terminal breaks lines that are longer than it is wide.
    expect(after.join('')).toMatch(
      /^Stopped at step \d+ of 100000; continue with --resume \S+\.\/.*\/runs\/a-name-of-a-run\/[\d-]+[\da-f]+$/,
    );
    expect(screen.slice(0, notice).join('\n')).not.toMatch(/[█░]|INFO/);
  });

  it('the bar says which step is traced before it shows numbers', () => {
    const { output } = inTerminal(80, ' left', 'run', 'run.yaml');
    const states = [...output.matchAll(/[█░] \d+\/100000 \| ([\w ,.|/?-]+)/g)].map(([, state]) => state);
    const first = states.findIndex((state) => /^step 1, \d+s/.test(state));
    expect(first).toBeGreaterThanOrEqual(0);
    expect(states.findIndex((state) => /^loss \d/.test(state))).toBeGreaterThan(first);
  });
});

it('lines have INFO and WARN before them where standard error is not a terminal', async () => {
  const { stderr } = await graft(['run', 'run.yaml', '--set', 'train.steps=1', '--set', 'name=short'], folder);
  expect(stderr).toMatch(/^INFO: Run /m);
  expect(stderr).toMatch(/^INFO: short: step 1\/1, loss /m);
});
