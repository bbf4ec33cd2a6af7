import { CheckpointReader } from '@graft/checkpoint';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
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
