import { CheckpointReader } from '@graft/checkpoint';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { temporaryFolder, worstDifference } from '../../support';
import { ODD_SIDE, tinyGemma, writeTiny } from '../../../plugins/gemma/test-support/tiny-gemma';
import { startGraft } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
/** Some 60 MB, a third of it drawn: long enough to be stopped half-way. */
const SIDE = { ...ODD_SIDE, hidden: 256, feedForward: 768, headDim: 64, layers: 6 };

describe('graft adapt after an interruption', () => {
  const base = temporaryFolder();
  let encoder: string;
  let straight: string;
  const request = (out: string): string[] =>
    ['adapt', '--encoder', encoder, '--out', out, '--shard-gigabytes', '0.002'].concat([
      '--cross-attention',
      'random',
      '--random',
      'decoder',
    ]);

  beforeAll(async () => {
    const { config } = tinyGemma({ kind: 'decoder-only', vocabularySize: 5000, decoder: SIDE });
    encoder = await writeTiny(join(base, 'source'), { config });
    straight = join(base, 'straight');
    await graftSucceeds(request(straight), base);
  });

  /** Starts adapting, and stops it when the first files are finished. */
  async function stopped(out: string, signal: 'SIGKILL' | 'SIGINT') {
    const { child, done } = startGraft(request(out), base);
    const partial = `${out}.unfinished`;
    const finished = (): number =>
      existsSync(partial) ? readdirSync(partial).filter((name) => name.endsWith('.safetensors')).length : 0;
    while (finished() < 2 && child.exitCode === null) await sleep(1);
    child.kill(signal);
    return done;
  }

  async function expectResumes(out: string): Promise<void> {
    expect(existsSync(out)).toBe(false);
    // What is left does not load.
    await expect(CheckpointReader.open(`${out}.unfinished`)).rejects.toThrow(/holds no checkpoint/);
    const refused = await graft(request(out), base);
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringMatching(/unfinished work.*--resume/s)]);
    const { stdout } = await graftSucceeds([...request(out), '--resume'], base);
    expect(stdout.trim()).toBe(out);
    expect(readdirSync(out).sort()).toEqual(readdirSync(straight).sort());
    for (const name of readdirSync(straight))
      expect([name, readFileSync(join(out, name)).equals(readFileSync(join(straight, name)))]).toEqual([name, true]);
    expect(existsSync(`${out}.unfinished`)).toBe(false);
  }

  it('an adaptation that was killed resumes to the same bytes', async () => {
    const out = join(base, 'killed');
    expect((await stopped(out, 'SIGKILL')).status).toBeNull();
    await expectResumes(out);
  });

  it('an adaptation that Ctrl-C stops reports how to resume and exits with 130', async () => {
    const out = join(base, 'stopped');
    const { status, stdout, stderr } = await stopped(out, 'SIGINT');
    expect([status, stdout]).toEqual([130, '']);
    expect(stderr).toMatch(/was interrupted at \d+ %.*--resume/);
    await expectResumes(out);
  });
});

describe('graft adapt --to', () => {
  const base = temporaryFolder();
  const at = (name: string): string => join(base, name);

  beforeAll(async () => {
    const { config } = tinyGemma({ kind: 'decoder-only' });
    await writeTiny(at('base'), { config, seed: 1 });
    await writeTiny(at('tuned'), { config, seed: 50 });
    await graftSucceeds(['adapt', '--encoder', 'base', '--out', 'adapted'], base);
  });

  it("a fine-tuned checkpoint's difference is added to an adapted model, which loads like any other", async () => {
    const request = ['adapt', '--encoder', 'base', '--to', 'adapted', '--delta', 'tuned', '--scale', '0.25'];
    const { stdout, stderr } = await graftSucceeds([...request, '--out', 'moved'], base);
    expect(stdout.trim()).toMatch(/moved$/);
    expect(stderr).toMatch(/(\d+) tensors, float32; the difference was added to \1 of them\./);
    const name = 'model.encoder.layers.0.self_attn.q_proj.weight';
    const source = 'model.layers.0.self_attn.q_proj.weight';
    const [before, after, from, to] = await Promise.all(
      [
        [at('adapted'), name],
        [at('moved'), name],
        [at('base'), source],
        [at('tuned'), source],
      ].map(async ([folder, tensor]) => {
        const reader = await CheckpointReader.open(folder);
        return reader.readFloat32(tensor).finally(() => reader.close());
      }),
    );
    const expected = before.map((value, i) => value + 0.25 * (to[i] - from[i]));
    expect(worstDifference(after, expected)).toBeLessThan(1e-6);
    expect((await graftSucceeds(['inspect', 'moved'], base)).stdout).toMatch(/graft\.json: adapted, added/);
  });

  it.each([
    [['--delta', 'tuned'], /--delta, --decoder-delta and --scale belong to --to/],
    [['--to', 'adapted'], /--to needs --delta or --decoder-delta/],
    [['--to', 'adapted', '--delta', 'tuned', '--seed', '3'], /--seed belongs to a new adaptation/],
    [['--to', 'base', '--delta', 'tuned'], /base holds no encoder-decoder/],
  ])('the options %j are refused, and nothing is written', async (options, message) => {
    const { status, stderr } = await graft(['adapt', '--encoder', 'base', ...options, '--out', 'never'], base);
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
    expect(existsSync(at('never'))).toBe(false);
  });
});
