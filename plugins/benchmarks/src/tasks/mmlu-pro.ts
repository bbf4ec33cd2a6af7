import { GenerationTask, type GenerationAnswer, type RowScore, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { exactMatch, firstMatch } from '../answers/exact-match';
import { BenchmarkFiles } from '../data/benchmark-files';

const rowSchema = z.looseObject({
  question_id: z.union([z.int(), z.string()]).transform(String),
  question: z.string(),
  options: z.array(z.string()).min(2).max(10),
  answer: z.string().regex(/^[A-J]$/),
  category: z.string(),
  cot_content: z.string().default(''),
});
type Row = z.output<typeof rowSchema>;

const LETTERS = 'ABCDEFGHIJ';
const STEPS = "A: Let's think step by step. ";

/** MMLU with up to ten options and steps, in 14 categories; all questions count equally. */
export class MmluPro extends GenerationTask<Row> {
  readonly id = 'mmlu-pro';
  readonly version = 1;
  readonly description = 'MMLU-Pro: ten options, with steps';
  override readonly shots = 5;
  override readonly chance = 0.11;
  protected readonly until = ['Question:'];
  protected override readonly maxNewTokens = 2048;

  protected async sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['mmlu_pro', 'mmlu-pro', 'mmlu-pro/data'],
      from: 'the data set TIGER-Lab/MMLU-Pro',
    });
    const { rows } = await files.rows(['test'], rowSchema);
    const { rows: pool, file: poolName } =
      shots === 0 ? { rows: [], file: '' } : await files.rows(['validation'], rowSchema);
    return [...new Set(rows.map(({ category }) => category))].map((name) => ({
      name,
      rows: rows.filter(({ category }) => category === name),
      pool: pool.filter(({ category }) => category === name),
      poolName: `${poolName} (${name})`,
    }));
  }

  protected override preamble({ name }: TaskSet<Row>): string {
    return `The following are multiple choice questions (with answers) about ${name}. Think step by step and then finish your answer with "the answer is (X)" where X is the correct letter choice.\n`;
  }

  protected override idOf({ question_id }: Row): string {
    return question_id;
  }

  protected question({ question, options }: Row): string {
    const lines = options.map((option, i) => `${LETTERS[i]}. ${option.trim()}`);
    return `Question:\n${question}\nOptions:\n${lines.join('\n')}\nAnswer: Let's think step by step.`;
  }

  protected answer({ cot_content: steps }: Row): string {
    return ` ${steps.replace(STEPS, '')}`;
  }

  protected target({ answer }: Row): string {
    return answer;
  }

  protected score({ text }: GenerationAnswer, { answer }: Row): RowScore {
    // The first "answer is" counts, even if the text corrects itself.
    const extracted = firstMatch(text, /answer is \(?([ABCDEFGHIJ])\)?/g);
    const rules = { ignoreCase: true, ignorePunctuation: true };
    return { extracted, metrics: { exactMatch: exactMatch(extracted, [answer], rules) } };
  }
}
