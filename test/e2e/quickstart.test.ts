import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT, temporaryFolder } from '../support';
import { write } from './graft';

const folder = temporaryFolder();
const MAIN = join(ROOT, 'examples', 'quickstart', 'dist', 'main.js');

describe('the quickstart', () => {
  it('goes through its three stages on a text of the user, and compares', async () => {
    const sentences = ['a quick fox', 'jumps over', 'the lazy dog', 'that sleeps', 'under a tree', 'all day long'];
    const paragraphs = Array.from({ length: 200 }, (_, i) =>
      Array.from({ length: 6 }, (_, j) => `${sentences[(i * 7 + j * j) % sentences.length]} ${i}`).join(', '),
    );
    const text = write(join(folder, 'text.txt'), paragraphs.join('\n\n'));
    const sets = [`files=${text}`, `runs=${folder}/runs`, 'train.steps=2', 'pretrain.train.steps=3'];
    const small = [
      'train.batchSize=2',
      'dataset.lengthTokens=64',
      'evaluators.0.dataset.lengthTokens=64',
      'evaluators.0.batches=1',
    ];
    const args = [MAIN, ...[...sets, ...small].flatMap((set) => ['--set', set])];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder });

    expect(stderr).toContain('1/3');
    expect(existsSync(join(folder, 'runs', 'pretrain', 'latest', 'checkpoints', 'step-3', 'model.safetensors'))).toBe(
      true,
    );
    expect(stdout).toMatch(/steps +adapted +from scratch\n2 +\d\.\d{4} +\d\.\d{4}\n/);
    expect(stdout).toContain('What the model says, adapted:');
    expect(stdout).toContain(join(folder, 'runs', 'scratch'));
  });

  it('says how it is used', async () => {
    await expect(promisify(execFile)(process.execPath, [MAIN, '--sett', 'x=1'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('npm start') as string,
    });
  });
});
