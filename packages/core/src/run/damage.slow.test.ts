import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { DAMAGES, flipBit, Victim } from '../../test/damage';
import { createRandom } from '../random/streams';

/** Random damages of each kind, on a checkpoint with tensors of several pages. */
const EACH = 150;
const WIDTH = 5000;
/** Bits flipped in each of its large files, beside those that every byte of the small ones gets. */
const BITS_OF_LARGE = 500;
const SMALL_BYTES = 4096;

it('a resume detects a flipped bit in every byte of the small files, and every other damage', async () => {
  const victim = await Victim.make(temporaryFolder(), WIDTH);
  const { newest, files } = victim.target;
  const problems: string[] = [];
  let damaged = 0;
  const suffer = async (damage: Parameters<Victim['suffer']>[1]): Promise<boolean> => {
    const { done, problem } = await victim.suffer('read', damage);
    if (done) damaged++;
    if (problem !== undefined) problems.push(problem);
    return done;
  };
  const random = createRandom(Number(process.env.GRAFT_DAMAGE_SEED ?? 0));
  for (const name of files) {
    const { size } = statSync(join(newest, name));
    // Of a large one, every byte of its header.
    const every = size <= SMALL_BYTES ? size : 8 + Number(readFileSync(join(newest, name)).readBigUInt64LE(0));
    for (let byte = 0; byte < every; byte++) await suffer((target) => flipBit(target, name, byte, random.integer(8)));
    for (let i = 0; size > SMALL_BYTES && i < BITS_OF_LARGE; i++)
      await suffer((target) => flipBit(target, name, every + random.integer(size - every), random.integer(8)));
  }
  for (const [name, damage] of Object.entries(DAMAGES)) {
    const stream = random.fork(name);
    for (let done = 0; done < EACH;) if (await suffer((target) => damage(target, stream))) done++;
  }
  console.log(`${damaged} damaged checkpoints, ${damaged - problems.length} noticed`);
  expect(problems).toEqual([]);
  expect(await victim.notices('resume')).toBeUndefined();
}, 1_800_000);
