import { spawnSync } from 'node:child_process';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../../support';
import { fixture } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft } = sharedProcess();
const folder = temporaryFolder();
const tiny = fixture('gemma2-tiny');
const fifo = join(folder, 'fifo.jsonl');
const DEEP = `${'['.repeat(20_000)}1${']'.repeat(20_000)}`;
const TOO_DEEP = 'it has more than 500 objects and lists within each other';
const tooLong = 60_000;

beforeAll(() => void spawnSync('mkfifo', [fifo]));

/** A copy of a checkpoint with another file in it; a FIFO where no content is given. */
function checkpointWith(name: string, content?: string): string {
  const copy = join(folder, `with-${name}-${content === undefined ? 'fifo' : 'deep'}`);
  cpSync(tiny, copy, { recursive: true });
  rmSync(join(copy, name), { force: true });
  if (content === undefined) spawnSync('mkfifo', [join(copy, name)]);
  else writeFileSync(join(copy, name), content);
  return copy;
}

const run = (args: readonly string[], shell: string, text?: string): string =>
  spawnSync('bash', ['-c', shell, 'bash', process.execPath, join(ROOT, 'packages/cli/bin/graft.js'), ...args], {
    cwd: folder,
    encoding: 'utf8',
    input: text,
    timeout: tooLong,
  }).stdout;

describe('files that are not regular, or too deeply nested', () => {
  it.each<[string, () => string[], string]>([
    ['a FIFO as a checkpoint', () => ['inspect', fifo], `${fifo} cannot be read: it is a FIFO, not a regular file.`],
    ['a device as a checkpoint', () => ['inspect', '/dev/zero'], '/dev/zero cannot be read: it is a device'],
    ['a FIFO as config.json', () => ['inspect', checkpointWith('config.json')], 'it is a FIFO, not a regular file.'],
    ['a deep config.json', () => ['inspect', checkpointWith('config.json', `{"a":${DEEP}}`)], TOO_DEEP],
    ['a FIFO as a config', () => ['run', fifo], `${fifo} cannot be read as a config: it is a FIFO`],
    [
      'a device as a tokenizer',
      () => ['tokenizer', 'encode', '/dev/zero', 'a'],
      '/dev/zero cannot be read: it is a device',
    ],
    [
      'a deep tokenizer.json',
      () => ['tokenizer', 'encode', checkpointWith('tokenizer.json', `{"model":${DEEP}}`), 'a'],
      TOO_DEEP,
    ],
    [
      'a FIFO as data',
      () => ['tokenizer', 'train', '--input', fifo, '--vocabulary', '300', '--out', join(folder, 'v')],
      `${fifo} cannot be read: it is a FIFO`,
    ],
    [
      'a device as prompts',
      () => ['tokenizer', 'encode', 'bytes', '--file', '/dev/zero'],
      'it is a device, not a file or a FIFO.',
    ],
    [
      'a FIFO as tensors',
      () => ['forward', '--model', tiny, '--inputs', fifo, '--output', join(folder, 'o')],
      `${fifo} cannot be read: it is a FIFO`,
    ],
    [
      'a FIFO as a wheel',
      () => ['engine', 'install', '--verify', '--wheel', fifo],
      `The wheel ${fifo} does not exist.`,
    ],
    [
      'a FIFO as a plugin',
      () => ['plugins', '--plugin', fifo.replace('.jsonl', '.ts')],
      'it is a FIFO, not a regular file',
    ],
  ])(
    'the command is refused at once in one sentence: %s',
    async (_, args, message) => {
      spawnSync('mkfifo', [fifo.replace('.jsonl', '.ts')]);
      const { status, stdout, stderr } = await graft(args(), folder, { GRAFT_CACHE: join(folder, 'cache') });
      expect(stderr).toContain(message);
      expect(stderr).not.toContain('mistake in Graft');
      expect(stderr).not.toMatch(/^ +at /m);
      expect(stdout).toBe('');
      expect(status).toBeGreaterThan(0);
    },
    tooLong,
  );
});

it('texts can be read from pipes', () => {
  const encode = ['tokenizer', 'encode', 'bytes', '--ids', '--file'];
  expect(run(encode, '"$@" <(sleep 0.1; printf hi)').trim()).toBe('107 108');
  expect(run([...encode, '/dev/stdin'], 'printf hi | "$@"').trim()).toBe('107 108');
});
