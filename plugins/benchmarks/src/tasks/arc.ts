import { ChoiceTask, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles } from '../data/benchmark-files';
import { pooled } from '../data/pooled';

const choiceSchema = z.object({ text: z.string(), label: z.string() });
/** The original file keeps the choices with the question; the hub's copy has lists of texts and labels. */
const rowSchema = z
  .union([
    z.looseObject({
      id: z.string(),
      question: z.object({ stem: z.string(), choices: z.array(choiceSchema).min(2) }),
      answerKey: z.string(),
    }),
    z.looseObject({
      id: z.string(),
      question: z.string(),
      choices: z.object({ text: z.array(z.string()).min(2), label: z.array(z.string()).min(2) }),
      answerKey: z.string(),
    }),
  ])
  .transform((row) => {
    if (typeof row.question === 'object') {
      const { stem, choices } = row.question as { stem: string; choices: z.output<typeof choiceSchema>[] };
      const [texts, labels] = [choices.map(({ text }) => text), choices.map(({ label }) => label)];
      return { id: row.id, question: stem, texts, labels, answerKey: row.answerKey };
    }
    const { text: texts, label: labels } = row.choices as { text: string[]; label: string[] };
    return { id: row.id, question: row.question, texts, labels, answerKey: row.answerKey };
  })
  // Labels are A to E, or in some rows 1 to 5; rows have three to five choices.
  .refine(({ labels, answerKey }) => labels.includes(answerKey), { message: 'expected an answerKey among the labels' });
type Row = z.output<typeof rowSchema>;

/** Science questions of schools; the texts of the choices are scored, not their letters. */
export class Arc extends ChoiceTask<Row> {
  readonly version = 2;
  override readonly chance = 0.25;
  readonly description: string;

  constructor(
    readonly id: 'arc-easy' | 'arc-challenge',
    override readonly shots: number,
  ) {
    super();
    this.description = `ARC-${id === 'arc-easy' ? 'e' : 'c'}: science questions of schools`;
  }

  protected sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const name = this.id === 'arc-easy' ? 'ARC-Easy' : 'ARC-Challenge';
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: [`arc/${name}`, name],
      from: "the AI2 Reasoning Challenge's archive, or the data set allenai/ai2_arc",
    });
    return pooled(
      shots,
      (names) => files.rows(names, rowSchema),
      ['test', `${name}-Test`, 'validation', `${name}-Dev`],
      ['train', `${name}-Train`, 'pool'],
    );
  }

  protected override idOf({ id }: Row): string {
    return id;
  }

  protected question({ question }: Row): string {
    return `Question: ${question}\nAnswer:`;
  }

  protected choices({ texts, labels, answerKey }: Row): Choices {
    return { texts, right: [labels.indexOf(answerKey)] };
  }
}
