import { plugin } from '@graft/benchmarks';
import { cutAtStop, type GenerationItem } from '@graft/core';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf } from '../support';
import { BENCHMARKS, itemsOf, NO_BENCHMARKS } from './task-references';

interface ProgramReplay {
  readonly doc_id: number;
  readonly completion: string;
  readonly after_stop: string;
  readonly 'pass@1': number;
}

const canIsolate =
  spawnSync('unshare', ['--net', '--pid', '--fork', '--kill-child', '--map-root-user', 'true']).status === 0;

describeIf(
  BENCHMARKS !== undefined && canIsolate,
  BENCHMARKS === undefined ? NO_BENCHMARKS : 'a process cannot be kept from the network here',
  'programs that somebody wrote',
  () => {
    test.each([
      ['humaneval', 'humaneval_0shot', 0],
      ['mbpp', 'mbpp_1shot', 1],
    ])('%s: those pass that pass in the reference', async (id, name, shots) => {
      const task = plugin.tasks!.find((one) => one.id === id)!;
      const items = (await itemsOf(task, { name, task: id, shots })) as readonly GenerationItem[];
      const replays = readFileSync(join(BENCHMARKS!, 'reference', 'replay', `${id}.jsonl`), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as ProgramReplay);
      const passed: number[] = [];
      for (const { doc_id, completion } of replays) {
        const text = cutAtStop(completion, items[doc_id].until);
        const { metrics } = await items[doc_id].score({ text, tokens: 0, ended: true });
        passed.push(metrics.passAt1);
      }
      expect(passed).toEqual(replays.map((replay) => replay['pass@1']));
    });
  },
);
