import { ChoiceTask, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles } from '../data/benchmark-files';
import { pooled } from '../data/pooled';

/** SuperGLUE's file has `label`; the original one has `answer`, and a title that SuperGLUE puts before the passage. */
const rowSchema = z
  .looseObject({
    question: z.string(),
    passage: z.string(),
    title: z.string().optional(),
    label: z.union([z.boolean(), z.int().min(0).max(1)]).optional(),
    answer: z.boolean().optional(),
  })
  .refine(({ label, answer }) => (label ?? answer) !== undefined, { message: 'expected a label' });
type Row = z.output<typeof rowSchema>;

/** Is the answer to the question about the passage yes? */
export class BoolQ extends ChoiceTask<Row> {
  readonly id = 'boolq';
  readonly version = 1;
  readonly description = 'BoolQ: yes or no, from a passage';
  override readonly chance = 0.5;

  protected sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['boolq', 'BoolQ'],
      from: "SuperGLUE's archive (BoolQ)",
    });
    return pooled(shots, (names) => files.rows(names, rowSchema), ['val', 'validation', 'dev'], ['train', 'pool']);
  }

  protected question({ passage, title, question }: Row): string {
    return `${title === undefined ? '' : `${title} -- `}${passage}\nQuestion: ${question}?\nAnswer:`;
  }

  protected choices({ label, answer }: Row): Choices {
    return { texts: ['no', 'yes'], right: [Number(label ?? answer)] };
  }
}
