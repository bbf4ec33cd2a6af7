import { ChoiceTask, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { superGlueSets } from './files';

const rowSchema = z.looseObject({
  premise: z.string(),
  choice1: z.string(),
  choice2: z.string(),
  question: z.enum(['cause', 'effect']),
  label: z.int().min(0).max(1),
});
type Row = z.output<typeof rowSchema>;

const CONNECTORS = { cause: 'because', effect: 'therefore' };

/** Which is the cause, or the effect? Premise and choice become one sentence. */
export class Copa extends ChoiceTask<Row> {
  readonly id = 'copa';
  readonly version = 1;
  readonly description = 'COPA: the more plausible cause or effect';
  override readonly chance = 0.5;

  protected sets(request: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    return superGlueSets(this.id, 'COPA', request, rowSchema, (row) => [row]);
  }

  /** The premise without its full stop. */
  protected question({ premise, question }: Row): string {
    return `${premise.trim().slice(0, -1)} ${CONNECTORS[question]}`;
  }

  protected choices({ choice1, choice2, label }: Row): Choices {
    const continued = (choice: string): string => choice.charAt(0).toLowerCase() + choice.slice(1);
    return { texts: [continued(choice1), continued(choice2)], right: [label] };
  }
}
