import { main } from '../../program';

async function graft(...args: string[]): Promise<{ status: number; stderr: string }> {
  let stderr = '';
  const streams = { stdout: { write: () => true }, stderr: { write: (text: string) => (stderr += text) } };
  return { status: await main(['node', 'graft', ...args], streams), stderr };
}

const MODEL = ['--model', 'm', '--inputs', 'i'];

it.each([
  ['--resume', ['run', 'c.yaml', '--resume', '']],
  ['--resume', ['run', 'c.yaml', '--resume=']],
  ['--resume', ['evaluate', '--resume', '', 'c.yaml']],
  ['--resume', ['run', '--resume', '  ']],
  ['--set', ['run', 'c.yaml', '--set', 'train.steps=1', '--set', '']],
  ['--workers', ['run', 'c.yaml', '--workers', '', '--rank', '0']],
  ['config', ['run', '']],
  ['--checkpoint', ['evaluate', 'c.yaml', '--checkpoint', '']],
  ['runs', ['report', 'a', '']],
  ['--out', ['report', 'a', '--out', '']],
  ['--encoder', ['adapt', '--encoder', '', '--out', 'x']],
  ['--out', ['export', '--encoder', 'e', '--out', '']],
  ['--run', ['average', '--run', '', '--out', 'x']],
  ['folders', ['average', 'a', '', '--out', 'x']],
  ['--output', ['forward', ...MODEL, '--output', '']],
  ['--stop', ['generate', '--model', 'm', '--prompt', 'p', '--stop', '']],
  ['--teacher', ['teacher', 'cache', '--teacher', '']],
  ['--input', ['tokenizer', 'train', '--input', '', '--vocabulary', '300', '--out', 'x']],
  ['checkpoint', ['inspect', '']],
])('an empty value of %s is rejected: graft %j', async (name, args) => {
  expect(await graft(...args)).toEqual({
    status: 2,
    stderr: `graft: The value of ${name} is empty; is a shell variable not set?\n`,
  });
});

it.each([[['run', 'c.yaml', '--workers', 'a:1', '--rank', '']], [['generate', ...MODEL, '--seed', '']]])(
  'an empty number is rejected: graft %j',
  async (args) => {
    const { status, stderr } = await graft(...args);
    expect([status, stderr]).toEqual([2, expect.stringContaining('Expected an integer')]);
  },
);

it('an empty prompt is accepted', async () => {
  const { stderr } = await graft('generate', '--model', 'there-is-none', '--prompt', '');
  expect(stderr).not.toContain('is empty');
});
