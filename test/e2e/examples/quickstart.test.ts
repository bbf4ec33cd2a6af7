import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT, temporaryFolder } from '../../support';
import { readJson, write } from '../support/graft';

const folder = temporaryFolder();
const MAIN = join(ROOT, 'examples', 'quickstart', 'dist', 'main.js');

describe('the quickstart', () => {
  it("the quickstart runs all stages on a user's text, compares, fine-tunes and writes its report", async () => {
    const sentences = ['a quick fox', 'jumps over', 'the lazy dog', 'that sleeps', 'under a tree', 'all day long'];
    const paragraphs = Array.from({ length: 200 }, (_, i) =>
      Array.from({ length: 6 }, (_, j) => `${sentences[(i * 7 + j * j) % sentences.length]} ${i}`).join(', '),
    );
    const text = write(join(folder, 'text.txt'), paragraphs.join('\n\n'));
    const sets = [
      ...[`files=${text}`, `runs=${folder}/runs`, 'train.steps=2', 'train.batchSize=4', 'evaluators.0.batches=1'],
      ...['dataset.lengthTokens=64', 'evaluators.0.dataset.lengthTokens=64'],
      ...[
        // Half of the layers: most of the time is XLA's, which compiles a step for every stage.
        ...[
          'pretrain.model.decoder.layers=2',
          'pretrain-small.model.decoder.layers=1',
          'scratch.model.decoder.layers=2',
        ],
        'pretrain.train.steps=60',
        'adapted.train.steps=20',
        'superglue.evaluators.0.tasks=["rte","cb"]',
        'superglue.evaluators.0.epochs=3',
      ],
    ];
    const args = [MAIN, ...sets.flatMap((set) => ['--set', set])];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder });

    expect(stderr).toContain('7/7');
    for (const name of ['pretrain/latest/checkpoints/step-60', 'unbalanced/latest/checkpoints/step-2'])
      expect(existsSync(join(folder, 'runs', name, 'model.safetensors'))).toBe(true);
    expect(stdout).toMatch(/steps +adapted +unbalanced +UL2 +from scratch\n/);
    expect(stdout).toContain('What the model says, adapted:');
    expect(stdout).toContain(join(folder, 'runs', 'scratch'));
    // The adapted model's encoder learns the synthetic tasks: clearly better than always predicting one class.
    const evaluations = readJson<{ metrics: Record<string, number> }[]>(
      join(folder, 'runs', 'superglue-adapted', 'latest', 'evaluations.json'),
    );
    const { metrics } = evaluations[0];
    expect(metrics['rte/accuracy']).toBeGreaterThan(metrics['rte/majority'] + 0.25);
    expect(metrics['cb/accuracy']).toBeGreaterThan(metrics['cb/majority'] + 0.25);
    expect(stdout).toMatch(/task +adapted +one class\n/);
    const report = /^Report: (.*)$/m.exec(stdout)![1];
    expect(readFileSync(report, 'utf8')).toContain('<html');
  });

  it('the quickstart prints its usage', async () => {
    await expect(promisify(execFile)(process.execPath, [MAIN, '--sett', 'x=1'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('npm start') as string,
    });
  });
});
