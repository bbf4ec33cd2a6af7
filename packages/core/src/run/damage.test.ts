import { temporaryFolder } from '@graft/test-support';
import { DAMAGES, Victim } from '../../test/damage';
import { createRandom } from '../random/streams';

/** Of each kind of damage. */
const RESUMED = 2;
const READ = 10;

it('a resume detects every kind of damage to a checkpoint', async () => {
  const victim = await Victim.make(temporaryFolder(), 300);
  const problems: string[] = [];
  let damaged = 0;
  for (const [name, damage] of Object.entries(DAMAGES)) {
    const random = createRandom(17).fork(name);
    for (let done = 0; done < RESUMED + READ;) {
      const how = done < RESUMED ? 'resume' : 'read';
      const result = await victim.suffer(how, (target) => damage(target, random));
      if (!result.done) continue;
      done++;
      damaged++;
      if (result.problem !== undefined) problems.push(result.problem);
    }
  }
  console.log(`${damaged} damaged checkpoints, ${damaged - problems.length} noticed`);
  expect(problems).toEqual([]);
  // What is whole is not refused.
  for (const how of ['read', 'resume'] as const) expect(await victim.notices(how)).toBeUndefined();
}, 240_000);
