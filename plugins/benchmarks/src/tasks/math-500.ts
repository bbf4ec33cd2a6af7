import { GenerationTask, type GenerationAnswer, type RowScore, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { NO_ANSWER } from '../answers/exact-match';
import { equivalentScore } from '../answers/math/find-answer';
import { boxedAnswer, finalAnswer, plainFinalAnswer } from '../answers/minerva';
import { BenchmarkFiles } from '../data/benchmark-files';

const rowSchema = z.looseObject({
  unique_id: z.string().optional(),
  problem: z.string(),
  solution: z.string().regex(/\\(boxed|fbox)/, 'expected a solution with its answer in a box'),
});
type Row = z.output<typeof rowSchema>;

/** The four examples of Minerva's evaluation (2206.14858, appendix D.2), as solutions of MATH's training set. */
const EXAMPLES: readonly Row[] = [
  {
    problem: 'Find the domain of the expression  $\\frac{\\sqrt{x-2}}{\\sqrt{5-x}}$.',
    solution:
      'The expressions inside each square root must be non-negative. Therefore, $x-2 \\ge 0$, so $x\\ge2$, and $5 - x \\ge 0$, so $x \\le 5$. Also, the denominator cannot be equal to zero, so $5-x>0$, which gives $x<5$. Therefore, the domain of the expression is $\\boxed{[2,5)}$.\nFinal Answer: The final answer is $[2,5)$. I hope it is correct.',
  },
  {
    problem: 'If $\\det \\mathbf{A} = 2$ and $\\det \\mathbf{B} = 12,$ then find $\\det (\\mathbf{A} \\mathbf{B}).$',
    solution:
      'We have that $\\det (\\mathbf{A} \\mathbf{B}) = (\\det \\mathbf{A})(\\det \\mathbf{B}) = (2)(12) = \\boxed{24}.$\nFinal Answer: The final answer is $24$. I hope it is correct.',
  },
  {
    problem:
      'Terrell usually lifts two 20-pound weights 12 times. If he uses two 15-pound weights instead, how many times must Terrell lift them in order to lift the same total weight?',
    solution:
      'If Terrell lifts two 20-pound weights 12 times, he lifts a total of $2\\cdot 12\\cdot20=480$ pounds of weight.  If he lifts two 15-pound weights instead for $n$ times, he will lift a total of $2\\cdot15\\cdot n=30n$ pounds of weight.  Equating this to 480 pounds, we can solve for $n$:\n\\begin{align*}\n30n&=480\\\\\n\\Rightarrow\\qquad n&=480/30=\\boxed{16}\n\\end{align*}\nFinal Answer: The final answer is $16$. I hope it is correct.',
  },
  {
    problem:
      'If the system of equations\n\n\\begin{align*}\n6x-4y&=a,\\\\\n6y-9x &=b.\n\\end{align*}has a solution $(x, y)$ where $x$ and $y$ are both nonzero,\nfind $\\frac{a}{b},$ assuming $b$ is nonzero.',
    solution:
      'If we multiply the first equation by $-\\frac{3}{2}$, we obtain\n\n$$6y-9x=-\\frac{3}{2}a.$$Since we also know that $6y-9x=b$, we have\n\n$$-\\frac{3}{2}a=b\\Rightarrow\\frac{a}{b}=\\boxed{-\\frac{2}{3}}.$$\nFinal Answer: The final answer is $-\\frac{2}{3}$. I hope it is correct.',
  },
];

/**
 * Problems of competitions with solutions. `exactMatch`: the sentence of the final answer, as a string in one notation.
 * `equivalent`: the answer wherever it stands, by its value (lm-eval's `math_verify`).
 */
export class Math500 extends GenerationTask<Row> {
  readonly id = 'math-500';
  readonly version = 2;
  readonly description = 'MATH-500: problems of competitions, the final answer';
  override readonly shots = 4;
  protected readonly until = ['Problem:'];
  protected override readonly maxNewTokens = 1024;

  protected async sets({ folder }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['math500', 'math-500', 'MATH-500'],
      from: 'the repository openai/prm800k (math_splits/test.jsonl), or the data set HuggingFaceH4/MATH-500',
    });
    const { rows } = await files.rows(['test'], rowSchema);
    return [{ rows, pool: EXAMPLES, poolName: "Minerva's prompt" }];
  }

  protected override idOf({ unique_id }: Row, index: number): string {
    return unique_id ?? String(index);
  }

  protected question({ problem }: Row): string {
    return `Problem:\n${problem}\n\nSolution:`;
  }

  protected answer({ solution }: Row): string {
    return ` ${solution}`;
  }

  protected target({ solution }: Row): string {
    return plainFinalAnswer(boxedAnswer(solution));
  }

  protected score({ text }: GenerationAnswer, row: Row): RowScore {
    const answer = finalAnswer(text);
    const extracted = answer === undefined ? NO_ANSWER : plainFinalAnswer(answer);
    const exactMatch = Number(extracted === this.target(row));
    return { extracted, metrics: { exactMatch, equivalent: equivalentScore(boxedAnswer(row.solution), text) } };
  }
}
