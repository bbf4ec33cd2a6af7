import { GenerationTask, type GenerationAnswer, type RowScore, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { exactMatch, firstMatch } from '../answers/exact-match';
import { BenchmarkFiles } from '../data/benchmark-files';

const fileSchema = z.looseObject({ examples: z.array(z.looseObject({ input: z.string(), target: z.string() })) });
interface Row {
  readonly input: string;
  readonly target: string;
  /** Of an example: the steps and the answer. */
  readonly steps?: string;
}
interface BbhSet extends TaskSet<Row> {
  /** What the set is about, which begins its prompt. */
  readonly about: string;
}

const STEPS = "\nA: Let's think step by step.\n";

/**
 * Problems of 27 kinds with steps; all questions count equally. The benchmark's prompt files hold the description and three
 * examples of each kind. They and the data begin with a canary, which no prompt contains.
 */
export class BigBenchHard extends GenerationTask<Row> {
  readonly id = 'bbh';
  readonly version = 1;
  readonly description = 'BBH: problems of 27 kinds, with steps';
  override readonly shots = 3;
  protected readonly until = ['</s>', 'Q', '\n\n'];
  protected override readonly maxNewTokens = 1024;

  protected async sets({ folder }: TaskRequest): Promise<readonly BbhSet[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['bbh', 'BIG-Bench-Hard'],
      from: 'the repository suzgunmirac/BIG-Bench-Hard, folders bbh and cot-prompts',
    });
    const sets: BbhSet[] = [];
    for (const { name, file } of files.sets(/^(.+)\.json$/, 'bbh')) {
      const { examples } = await files.value([file], fileSchema);
      const prompt = await files.lines([`cot-prompts/${name}.txt`]);
      const [about, ...shown] = prompt.rows
        .slice(prompt.rows.findIndex((line) => /^-+$/.test(line)) + 1)
        .join('\n')
        .trim()
        .split(/\n\n(?=Q: )/);
      sets.push({ name, about, rows: examples, pool: shown.map(shownRow), poolName: prompt.file });
    }
    return sets;
  }

  protected override preamble(set: TaskSet<Row>): string {
    return `${(set as BbhSet).about}\n\n`;
  }

  protected question({ input }: Row): string {
    return `Q: ${input}${STEPS}`;
  }

  protected answer({ steps = '' }: Row): string {
    return steps;
  }

  protected target({ target }: Row): string {
    return target;
  }

  protected score({ text }: GenerationAnswer, { target }: Row): RowScore {
    // The last character goes, because examples end in a full stop: an answer without one loses a letter.
    const extracted = firstMatch(text, /(?<=the answer is )([^\n]*)(?=[^\n])/g);
    return { extracted, metrics: { exactMatch: exactMatch(extracted, [target]) } };
  }
}

function shownRow(block: string): Row {
  const at = block.indexOf(STEPS);
  return { input: block.slice('Q: '.length, at), steps: block.slice(at + STEPS.length), target: '' };
}
