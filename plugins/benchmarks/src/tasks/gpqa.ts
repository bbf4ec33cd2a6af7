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
/** A question of GPQA. `right`: index of the choice. */
export interface GpqaRow {
  readonly id: string;
  readonly question: string;
  readonly choices: readonly string[];
  readonly right: number;
  readonly opening: string;
}

export const GPQA_LETTERS = ['(A)', '(B)', '(C)', '(D)'];

/** All questions, and the 198 of them on which experts agree most. */
export type GpqaFile = 'gpqa_main' | 'gpqa_diamond';

/** The questions for `task`, each with the other ones as examples. */
export async function gpqaSets(
  task: string,
  name: GpqaFile,
  opening: string,
  { folder }: TaskRequest,
): Promise<readonly TaskSet<GpqaRow>[]> {
  const files = new BenchmarkFiles(folder, {
    task,
    folders: ['gpqa', 'gpqa/dataset'],
    from: 'the repository idavidrein/gpqa: unpack its dataset.zip with the password of its page',
  });
  const { rows, file } = await files.rows([name], rowSchema);
  const read = rows.map((row) => ({ ...rowOf(row), opening }));
  return [{ rows: read, pool: read, poolName: file }];
}

/** Precedes the question; with examples it is another one. */
export const gpqaOpening = (shots: number): string =>
  shots === 0 ? 'What is the correct answer to this question:' : 'Question: ';

/** Precedes the examples. */
export const GPQA_PREAMBLE =
  'Here are some example questions from experts. Answer the final question yourself, following the format of the previous questions exactly.\n';

/** `ending`: what the answer follows. */
export function gpqaQuestion({ opening, question, choices }: GpqaRow, ending: string): string {
  const lines = choices.map((choice, i) => `${GPQA_LETTERS[i]} ${choice}`);
  return `${opening}${question}\nChoices:\n${lines.join('\n')}\n${ending}`;
}

/**
 * Questions of experts. The order of a row's choices is drawn from its own id, so that it depends neither on the other
 * rows nor on the run. Examples are the other rows of the same file: a row is never its own example.
 */
export class Gpqa extends ChoiceTask<GpqaRow> {
  readonly version = 1;
  readonly description: string;
  override readonly shots: number = 5;
  override readonly chance = 0.25;

  constructor(readonly id: 'gpqa' | 'gpqa-diamond') {
    super();
    this.description = `GPQA${id === 'gpqa' ? '' : ' Diamond'}: questions of experts, the letter of the answer`;
  }

  protected sets(request: TaskRequest): Promise<readonly TaskSet<GpqaRow>[]> {
    const file = this.id === 'gpqa' ? 'gpqa_main' : 'gpqa_diamond';
    return gpqaSets(this.id, file, gpqaOpening(request.shots), request);
  }

  protected override preamble(_set: TaskSet<GpqaRow>, shots: number): string {
    return shots === 0 ? '' : GPQA_PREAMBLE;
  }

  protected override idOf({ id }: GpqaRow): string {
    return id;
  }

  protected question(row: GpqaRow): string {
    return gpqaQuestion(row, 'Answer:');
  }

  protected choices({ right }: GpqaRow): Choices {
    return { texts: GPQA_LETTERS, right: [right] };
  }
}

function rowOf(row: z.output<typeof rowSchema>): Omit<GpqaRow, 'opening'> {
  const { Question: question, 'Record ID': id, choice1, choice2, choice3, choice4, answer } = row;
  const drawn = [choice1, choice2, choice3, choice4].filter((choice) => choice !== undefined);
  if (drawn.length === 4 && answer !== undefined)
    return { id, question, choices: drawn, right: GPQA_LETTERS.indexOf(answer) };
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
