import { main } from './program';

async function run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  const status = await main(['node', 'graft', ...args], {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { status, stdout, stderr };
}

const COMMANDS = [
  ['run'],
  ['adapt'],
  ['forward'],
  ['generate'],
  ['inspect'],
  ['evaluate'],
  ['embed'],
  ['report'],
  ['average'],
  ['data', 'make'],
  ['plugins'],
  ['plugin', 'new'],
  ['config'],
  ['doctor'],
  ['engine'],
  ['engine', 'install'],
];

const GENERATE = ['generate', '--model', 'a', '--max-new-tokens', '4', '--prompt', 'x'];

describe('the command line', () => {
  it.each(COMMANDS)('the command %s %s prints its help', async (...command) => {
    const { status, stdout, stderr } = await run(...command, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(`Usage: graft ${command.join(' ')}`);
    expect(stdout).toContain('--debug');
  });

  it('--version prints the version', async () => {
    expect(await run('--version')).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
      stderr: '',
    });
  });

  it.each([
    [[], /Usage: graft/],
    [['insepct'], /^graft: unknown command 'insepct'\n\(Did you mean inspect\?\)/],
    [['inspect'], /^graft: Name either a checkpoint or --preset/],
    [['inspect', 'a', 'b'], /^graft: too many arguments/],
    [['adapt', '--encoder', 'a', '--out', 'b', '--cross-attention', 'some'], /Allowed choices are auto, copy, random/],
    [['adapt', '--encoder', 'a', '--out', 'b', '--std', '-1'], /Expected a number above 0/],
    [['generate', '--model', 'a', '--max-new-tokens', '0', '--prompt', 'x'], /Expected an integer of at least 1/],
    [['generate', '--model', 'a', '--max-new-tokens', '4', '--prompt', 'x', '--eos', '1,x'], /Expected token ids/],
    [[...GENERATE, '--seed', '1'], /^graft: --seed and --sequences belong to drawing/],
    [[...GENERATE, '--sequences', '3'], /^graft: --seed and --sequences belong to drawing/],
    [[...GENERATE, '--sequences', '3', '--temperature', '0'], /^graft: --seed and --sequences belong to drawing/],
    [[...GENERATE, '--temperature', '0', '--top-p', '0.5'], /^graft: --temperature 0 takes the most probable token/],
    [[...GENERATE, '--beams', '2', '--seed', '1'], /^graft: --beams follows the most probable sequences/],
    [['average', 'a', 'b', '--last', '2', '--out', 'c'], /^graft: --last belongs to --run\.\n/],
    [
      ['adapt', '--encoder', 'a', '--out', 'b', '--cross-attention', 'copy', '--random', 'cross-attention'],
      /^graft: --cross-attention copy and --random cross-attention contradict each other/,
    ],
    [['generate', '--model', 'a', '--max-new-tokens', '4'], /^graft: Give either --inputs or --prompt\.\n$/],
  ])('the command line rejects %j with status 2 and nothing on standard output', async (args, message) => {
    const { status, stdout, stderr } = await run(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ +at /m);
  });
});
