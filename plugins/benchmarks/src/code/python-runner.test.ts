import { describeIf } from '@graft/test-support';
import { spawnSync } from 'node:child_process';
import { TASKS } from '../tasks';
import { PythonRunner } from './python-runner';

test.each(['humaneval', 'mbpp'])(
  '%s refuses to run programs that nobody has allowed, before it reads a file',
  async (id) => {
    const items = TASKS.find((task) => task.id === id)!.items({ folder: '/nowhere', shots: 0 });
    await expect(items).rejects.toThrow(`Task "${id}" runs programs that the model writes, which nobody has allowed.`);
  },
);

const canIsolate =
  spawnSync('unshare', ['--net', '--pid', '--fork', '--kill-child', '--map-root-user', 'python3', '-V']).status === 0;

describeIf(canIsolate, 'python3 or isolated processes are not there', 'programs of a model', () => {
  const programs: Readonly<Record<string, readonly [program: string, passes: boolean]>> = {
    'that reaches its end passes': ['assert sorted([2, 1]) == [1, 2]\nprint("done")', true],
    'with an exception does not pass': ['assert sorted([2, 1]) == [2, 1]', false],
    'that ends itself with success does not pass': ['import os\nos._exit(0)', false],
    'with more memory than the limit does not pass': ['text = "x" * (2 << 30)', false],
    'does not reach the network': [
      'import socket\ntry:\n    socket.create_connection(("127.0.0.1", 1), 1)\nexcept ConnectionRefusedError:\n    raise SystemExit\nexcept OSError:\n    pass',
      true,
    ],
    'sees no variable of the user, and an empty folder': [
      'import os\nassert os.listdir() == [] and "GRAFT_SECRET" not in os.environ',
      true,
    ],
  };

  test.each(Object.entries(programs))('a program %s', async (_, [program, passes]) => {
    process.env.GRAFT_SECRET = 'secret';
    const runner = await PythonRunner.open();
    expect(await runner.passes(program)).toBe(passes);
    delete process.env.GRAFT_SECRET;
  });
});
