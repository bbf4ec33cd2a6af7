import { FewShotTask, meanScores, type ChoiceItem, type RowScore, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles, type ReadRows } from '../data/benchmark-files';

const rowSchema = z.looseObject({
  text: z.string().regex(/\S [^ ]+$/, 'expected a text whose last word follows a space'),
});
type Row = z.output<typeof rowSchema>;

/**
 * The last word of a passage, which only the whole passage tells. A word counts if each of its tokens is the most probable
 * one. `perplexity` is that of the words, not of tokens: exp of the negative mean of their log-likelihoods.
 */
export class Lambada extends FewShotTask<Row> {
  readonly version = 1;
  readonly metric = 'accuracy';
  readonly description: string;

  /** `lambada` has OpenAI's texts; `lambada-standard` the original ones, in lower case and with spaces around signs. */
  constructor(readonly id: 'lambada' | 'lambada-standard') {
    super();
    this.description = `Lambada: the last word of a passage${id === 'lambada' ? '' : ', in the original form'}`;
  }

  protected async sets({ folder }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const isStandard = this.id === 'lambada-standard';
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['lambada'],
      from: isStandard
        ? "LAMBADA's archive (lambada-dataset), file lambada_test_plain_text.txt"
        : 'the data set EleutherAI/lambada_openai, which has the file of OpenAI',
    });
    const { rows, file } = isStandard
      ? await passages(files)
      : await files.rows(['lambada_test', 'test', 'lambada_test_en'], rowSchema);
    return [{ rows, pool: rows, poolName: file }];
  }

  protected question({ text }: Row): string {
    return text.slice(0, lastSpace(text));
  }

  protected example({ text }: Row): string {
    return text;
  }

  protected item(row: Row, prefix: string, index: number): ChoiceItem {
    const word = row.text.slice(lastSpace(row.text));
    return {
      kind: 'choices',
      id: String(index),
      prompts: [prefix + this.question(row)],
      continuations: [word],
      target: word.slice(1),
      score: ([{ isGreedy, logLikelihood }]) => ({ metrics: { accuracy: Number(isGreedy), logLikelihood } }),
    };
  }

  override aggregate(scores: readonly RowScore[]): Record<string, number> {
    const { accuracy, logLikelihood } = meanScores(scores);
    return { accuracy, perplexity: Math.exp(-logLikelihood) };
  }
}

/** One passage a line. */
async function passages(files: BenchmarkFiles): Promise<ReadRows<Row>> {
  const { rows, file } = await files.lines(['lambada_test_plain_text.txt']);
  return { rows: rows.map((line, i) => files.checked(rowSchema, { text: line.trim() }, `${file}:${i + 1}`)), file };
}

/** Words are separated by single spaces: line breaks stay in the passage. */
const lastSpace = (text: string): number => text.lastIndexOf(' ');
