import { ChoiceTask, createRandom, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles } from '../data/benchmark-files';

const rowSchema = z.looseObject({
  Question: z.string(),
  'Correct Answer': z.string(),
  'Incorrect Answer 1': z.string(),
  'Incorrect Answer 2': z.string(),
  'Incorrect Answer 3': z.string(),
  'Record ID': z.string(),
  /** An order that somebody has drawn already. */
  choice1: z.string().optional(),
  choice2: z.string().optional(),
  choice3: z.string().optional(),
  choice4: z.string().optional(),
  answer: z.enum(['(A)', '(B)', '(C)', '(D)']).optional(),
});
interface Row {
  readonly id: string;
  readonly question: string;
  readonly choices: readonly string[];
  readonly right: number;
  /** Precedes the question; with examples it is another one. */
  readonly opening: string;
}

const LETTERS = ['(A)', '(B)', '(C)', '(D)'];

/**
 * Questions of experts. The order of a row's choices is drawn from its own id, so that it depends neither on the other
 * rows nor on the run. Examples are the other rows of the same file: a row is never its own example.
 */
export class Gpqa extends ChoiceTask<Row> {
  readonly version = 1;
  readonly description: string;
  override readonly shots: number = 5;
  override readonly chance = 0.25;

  constructor(readonly id: 'gpqa' | 'gpqa-diamond') {
    super();
    this.description = `GPQA${id === 'gpqa' ? '' : ' Diamond'}: questions of experts, the letter of the answer`;
  }

  protected async sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const name = this.id === 'gpqa' ? 'gpqa_main' : 'gpqa_diamond';
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['gpqa', 'gpqa/dataset'],
      from: 'the repository idavidrein/gpqa: unpack its dataset.zip with the password of its page',
    });
    const { rows, file } = await files.rows([name], rowSchema);
    const opening = shots === 0 ? 'What is the correct answer to this question:' : 'Question: ';
    const read = rows.map((row) => ({ ...rowOf(row), opening }));
    return [{ rows: read, pool: read, poolName: file }];
  }

  protected override preamble(_set: TaskSet<Row>, shots: number): string {
    if (shots === 0) return '';
    return 'Here are some example questions from experts. Answer the final question yourself, following the format of the previous questions exactly.\n';
  }

  protected override idOf({ id }: Row): string {
    return id;
  }

  protected question({ opening, question, choices }: Row): string {
    const lines = choices.map((choice, i) => `${LETTERS[i]} ${choice}`);
    return `${opening}${question}\nChoices:\n${lines.join('\n')}\nAnswer:`;
  }

  protected choices({ right }: Row): Choices {
    return { texts: LETTERS, right: [right] };
  }
}

function rowOf(row: z.output<typeof rowSchema>): Omit<Row, 'opening'> {
  const { Question: question, 'Record ID': id, choice1, choice2, choice3, choice4, answer } = row;
  const drawn = [choice1, choice2, choice3, choice4].filter((choice) => choice !== undefined);
  if (drawn.length === 4 && answer !== undefined)
    return { id, question, choices: drawn, right: LETTERS.indexOf(answer) };
  const answers = [
    row['Incorrect Answer 1'],
    row['Incorrect Answer 2'],
    row['Incorrect Answer 3'],
    row['Correct Answer'],
  ];
  const order = [...createRandom(0).fork('gpqa').fork(id).permutation(answers.length)];
  return { id, question, choices: order.map((at) => tidied(answers[at])), right: order.indexOf(answers.length - 1) };
}

const tidied = (text: string): string => text.trim().replaceAll(' [title]', '. ').replaceAll('  ', ' ');
