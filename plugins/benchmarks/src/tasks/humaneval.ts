import type { TaskRequest, TaskSet } from '@graft/core';
import { z } from 'zod';
import { CodeTask } from '../code/code-task';
import { BenchmarkFiles } from '../data/benchmark-files';

const rowSchema = z.looseObject({
  task_id: z.string(),
  prompt: z.string(),
  entry_point: z.string(),
  test: z.string(),
  canonical_solution: z.string().default(''),
});
type Row = z.output<typeof rowSchema>;

/**
 * Functions to be completed. The prompt is the file's alone, and its completion is taken as it is: one space more or less
 * at its beginning changes the program.
 */
export class HumanEval extends CodeTask<Row> {
  readonly id = 'humaneval';
  readonly version = 1;
  readonly description = 'HumanEval: functions to be completed, which run';
  protected readonly until = ['\nclass', '\ndef', '\n#', '\nif', '\nprint'];

  protected async sets({ folder }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['humaneval', 'human-eval/data'],
      from: 'the repository openai/human-eval, data/HumanEval.jsonl.gz',
    });
    const { rows, file } = await files.rows(['HumanEval', 'test'], rowSchema);
    return [{ rows, pool: rows, poolName: file }];
  }

  protected override idOf({ task_id }: Row): string {
    return task_id;
  }

  protected question({ prompt }: Row): string {
    return prompt;
  }

  protected answer({ canonical_solution: solution }: Row): string {
    return solution;
  }

  protected target({ canonical_solution: solution }: Row): string {
    return solution;
  }

  protected program(text: string, { prompt, test, entry_point: name }: Row): string {
    return `${prompt}${text}\n${test}\ncheck(${name})`;
  }
}
