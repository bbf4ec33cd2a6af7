import { GenerationTask, type GenerationAnswer, type RowScore, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { exactMatch, firstMatch, lastMatch, type ComparisonRules } from '../answers/exact-match';
import { BenchmarkFiles } from '../data/benchmark-files';
import { pooled } from '../data/pooled';

const rowSchema = z.looseObject({ question: z.string(), answer: z.string() });
type Row = z.output<typeof rowSchema>;

/** "70.", "$70" and "1,070" are right; the third one removes the steps of the reference answer. */
const RULES: ComparisonRules = { without: [/,/g, /\$/g, /[\s\S]*#### /g, /\.$/g], ignoreCase: true };
/** Of a number anywhere. */
export const ANY_NUMBER = /(-?[$0-9.,]{2,})|(-?[0-9]+)/g;

/**
 * Word problems with steps. `exactMatch`: the number behind "####", where the examples have it; `flexibleMatch`: the last
 * number of the whole text.
 */
export class Gsm8k extends GenerationTask<Row> {
  readonly id = 'gsm8k';
  readonly version = 1;
  readonly description = 'GSM8K: word problems, the number behind the steps';
  override readonly shots = 5;
  protected readonly until = ['Question:', '</s>', '<|im_end|>'];
  protected override readonly maxNewTokens = 512;

  protected sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['gsm8k', 'grade-school-math/grade_school_math/data'],
      from: 'the repository openai/grade-school-math, folder grade_school_math/data',
    });
    return pooled(shots, (names) => files.rows(names, rowSchema), ['test'], ['train', 'pool']);
  }

  protected question({ question }: Row): string {
    return `Question: ${question}\nAnswer:`;
  }

  protected answer({ answer }: Row): string {
    return ` ${answer}`;
  }

  protected target({ answer }: Row): string {
    return answer;
  }

  protected score({ text }: GenerationAnswer, { answer }: Row): RowScore {
    const extracted = firstMatch(text, /#### (-?[0-9.,]+)/g);
    return {
      extracted,
      metrics: {
        exactMatch: exactMatch(extracted, [answer], RULES),
        flexibleMatch: exactMatch(lastMatch(text, ANY_NUMBER), [answer], RULES),
      },
    };
  }
}
