import {
  FewShotTask,
  scoreChoices,
  type ChoiceItem,
  type GenerationItem,
  type TaskItem,
  type TaskRequest,
  type TaskSet,
} from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles } from '../data/benchmark-files';
import { equivalentScore } from '../answers/math/find-answer';
import { answerOfMath, equalMath } from '../answers/math-strings';

const letters = z.union([z.string(), z.array(z.string()).transform((all) => all.join(''))]).nullish();
const rowSchema = z.looseObject({
  passage: z.string().nullish(),
  question: z.string(),
  options: z.array(z.string()).nullish(),
  /** A letter, or several where several options are right. */
  label: letters,
  /** Of sets without options. */
  answer: z.union([z.string(), z.number().transform(String)]).nullish(),
});
interface Row extends z.output<typeof rowSchema> {
  readonly isChinese: boolean;
}

const ENGLISH = [
  'aqua-rat',
  'gaokao-english',
  'logiqa-en',
  'lsat-ar',
  'lsat-lr',
  'lsat-rc',
  'math',
  'sat-en',
  'sat-en-without-passage',
  'sat-math',
];
const CHINESE = [
  'gaokao-biology',
  'gaokao-chemistry',
  'gaokao-chinese',
  'gaokao-geography',
  'gaokao-history',
  'gaokao-mathcloze',
  'gaokao-mathqa',
  'gaokao-physics',
  'jec-qa-ca',
  'jec-qa-kd',
  'logiqa-zh',
];

/**
 * Exams of schools, universities and lawyers. The options are scored, with their letters. The answers of `math` and
 * `gaokao-mathcloze` are written, and `equivalent` is the share of these that is right in whatever notation. All questions
 * count equally.
 */
export class AgiEval extends FewShotTask<Row> {
  readonly version: number;
  readonly metric = 'accuracy';
  readonly description: string;
  override readonly chance = 0.22;
  /** A passage runs into its question without a space, as in the benchmark. */
  constructor(readonly id: 'agieval' | 'agieval-zh') {
    super();
    this.version = id === 'agieval' ? 2 : 3;
    this.description = `AGIEval: exams in ${id === 'agieval' ? 'English' : 'Chinese'}`;
  }

  protected async sets({ folder }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['agieval/data/v1', 'agieval/data/v1_1', 'agieval'],
      from: 'the repository ruixiangcui/AGIEval, folder data/v1',
    });
    const isChinese = this.id === 'agieval-zh';
    const sets: TaskSet<Row>[] = [];
    for (const { name, file } of files.sets(/^(.+)\.jsonl$/)) {
      if (!(isChinese ? CHINESE : ENGLISH).includes(name)) continue;
      const read = await files.rows(
        [file],
        rowSchema.refine(isAnswered, { message: 'expected the letters of right options as label, or an answer' }),
      );
      const rows = read.rows.map((row) => ({ ...row, isChinese }));
      sets.push({ name, rows, pool: rows, poolName: read.file });
    }
    return sets;
  }

  protected question({ passage, question, options, isChinese }: Row): string {
    const before = passage ?? '';
    if (!options) return isChinese ? `${before}问题：${question}\n答案：` : `${before}Q: ${question}\nA: The answer is`;
    const last = 'ABCDEFGHIJ'[options.length - 1];
    const all = options.join(' ');
    return isChinese
      ? `${before}问题：${question} 选项：${all}\n答案：从A到${last}, 我们应选择`
      : `${before}Q: ${question} Answer Choices: ${all}\nA: Among A through ${last}, the answer is`;
  }

  protected example(row: Row): string {
    const answer = row.options ? row.options[rightOf(row)[0]] : row.answer!;
    return `${this.question(row)} ${answer}`;
  }

  protected item(row: Row, prefix: string, index: number, { name }: TaskSet<Row>): TaskItem {
    const facts = { id: String(index), set: name };
    const prompt = prefix + this.question(row);
    return row.options ? choicesOf(facts, prompt, row.options, rightOf(row)) : writtenOf(facts, prompt, row.answer!);
  }
}

const isAnswered = ({ options, label, answer }: z.output<typeof rowSchema>): boolean =>
  options ? isLabel(label ?? '', options.length) : typeof answer === 'string';
/** Letters of options that are there. */
const isLabel = (label: string, options: number): boolean =>
  label !== '' && Array.from(label).every((letter) => 'ABCDEFGHIJ'.slice(0, options).includes(letter));

/** `AC` is the first and the third. */
const rightOf = ({ label }: Row): number[] => Array.from(label!, (letter) => letter.charCodeAt(0) - 65);

function choicesOf(
  facts: { readonly id: string; readonly set?: string },
  prompt: string,
  texts: readonly string[],
  right: readonly number[],
): ChoiceItem {
  return {
    kind: 'choices',
    ...facts,
    prompts: [prompt],
    continuations: texts.map((text) => ` ${text}`),
    target: right.map((at) => texts[at]),
    score: (answers) => scoreChoices(answers, { texts, right }),
  };
}

function writtenOf(
  facts: { readonly id: string; readonly set?: string },
  prompt: string,
  target: string,
): GenerationItem {
  return {
    kind: 'generation',
    ...facts,
    prompt,
    until: ['Q:'],
    maxNewTokens: 32,
    target,
    score: ({ text }) => {
      const extracted = answerOfMath(text);
      const accuracy = Number(equalMath(extracted, answerOfMath(target)));
      // Not what the rules above extract, which is 56 where the answer is \frac{3}{56}.
      return { extracted, metrics: { accuracy, equivalent: equivalentScore(target, text) } };
    },
  };
}
