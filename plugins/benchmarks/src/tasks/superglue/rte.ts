import { ChoiceTask, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { superGlueSets } from './files';

const CLASSES = ['entailment', 'not_entailment'] as const;

const rowSchema = z.looseObject({ premise: z.string(), hypothesis: z.string(), label: z.enum(CLASSES) });
type Row = z.output<typeof rowSchema>;

/** Does the hypothesis follow from the premise? */
export class Rte extends ChoiceTask<Row> {
  readonly id = 'rte';
  readonly version = 1;
  readonly description = 'RTE: true or false, from a passage';
  override readonly chance = 0.5;

  protected sets(request: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    return superGlueSets(this.id, 'RTE', request, rowSchema, (row) => [row]);
  }

  protected question({ premise, hypothesis }: Row): string {
    return `${premise}\nQuestion: ${hypothesis} True or False?\nAnswer:`;
  }

  protected choices({ label }: Row): Choices {
    return { texts: ['True', 'False'], right: [CLASSES.indexOf(label)] };
  }
}
