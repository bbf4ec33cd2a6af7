import type { TaskRequest, TaskSet } from '@graft/core';
import { z } from 'zod';
import { CodeTask } from '../code/code-task';
import { BenchmarkFiles } from '../data/benchmark-files';

const rowSchema = z.looseObject({
  task_id: z.int(),
  text: z.string(),
  code: z.string(),
  test_list: z.array(z.string()).min(1),
});
type Row = z.output<typeof rowSchema>;

/** The benchmark's own division of its rows by their numbers: 2 to 4 are the examples, 11 to 510 the test. */
const EXAMPLES = [2, 3, 4];
const [FIRST, LAST] = [11, 510];

/** Small functions by their description and three tests, which are shown and run. */
export class Mbpp extends CodeTask<Row> {
  readonly id = 'mbpp';
  readonly version = 1;
  readonly description = 'MBPP: small functions by description and tests, which run';
  override readonly shots = 3;
  protected readonly until = ['[DONE]'];

  protected async sets({ folder }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['mbpp'],
      from: 'the repository google-research/google-research, folder mbpp',
    });
    const { rows, file } = await files.rows(['mbpp'], rowSchema);
    const test = rows.filter(({ task_id: id }) => id >= FIRST && id <= LAST);
    return [{ rows: test, pool: rows.filter(({ task_id: id }) => EXAMPLES.includes(id)), poolName: file }];
  }

  protected override idOf({ task_id: id }: Row): string {
    return String(id);
  }

  protected question({ text, test_list: tests }: Row): string {
    return `You are an expert Python programmer, and here is your task: ${text} Your code should pass these tests:\n\n${tests.slice(0, 3).join('\n')}\n[BEGIN]\n`;
  }

  /** The file's code has line breaks of Windows, which stay. */
  protected answer({ code }: Row): string {
    return `${code}\n[DONE]`;
  }

  protected target({ code }: Row): string {
    return code;
  }

  protected program(text: string, { test_list: tests }: Row): string {
    return `${text}\n${tests.slice(0, 3).join('\n')}`;
  }
}
