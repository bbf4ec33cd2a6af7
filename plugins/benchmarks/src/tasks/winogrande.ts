import { FewShotTask, largestAt, type ChoiceItem, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles } from '../data/benchmark-files';
import { pooled } from '../data/pooled';

const rowSchema = z.looseObject({
  qID: z.string().optional(),
  sentence: z.string().regex(/_/, 'expected a text with a gap "_"'),
  option1: z.string(),
  option2: z.string(),
  answer: z.enum(['1', '2']),
});
type Row = z.output<typeof rowSchema>;

/**
 * Who is meant in the gap? Each option is put into the gap, and what follows the gap is scored behind it: the same text
 * twice, so that its length does not matter.
 */
export class Winogrande extends FewShotTask<Row> {
  readonly id = 'winogrande';
  readonly version = 1;
  readonly description = 'Winogrande: who or what is meant';
  readonly metric = 'accuracy';
  override readonly shots = 5;
  override readonly chance = 0.5;

  protected sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['winogrande', 'winogrande_1.1'],
      from: "Winogrande's archive (winogrande_1.1), or the data set allenai/winogrande",
    });
    return pooled(shots, (names) => files.rows(names, rowSchema), ['validation', 'dev'], ['train', 'train_xl', 'pool']);
  }

  /** The text in front of the gap. */
  protected question({ sentence }: Row): string {
    return sentence.slice(0, sentence.indexOf('_'));
  }

  protected example(row: Row): string {
    return `${this.question(row)}${optionsOf(row)[rightOf(row)]} ${suffixOf(row)}`;
  }

  protected item(row: Row, prefix: string, index: number): ChoiceItem {
    const right = rightOf(row);
    const options = optionsOf(row);
    return {
      kind: 'choices',
      id: row.qID ?? String(index),
      prompts: options.map((option) => prefix + this.question(row) + option),
      continuations: [` ${suffixOf(row)}`],
      target: options[right],
      score: (answers) => ({
        metrics: { accuracy: Number(largestAt(answers.map(({ logLikelihood }) => logLikelihood)) === right) },
      }),
    };
  }
}

const optionsOf = ({ option1, option2 }: Row): string[] => [option1, option2];
const rightOf = ({ answer }: Row): number => Number(answer) - 1;
const suffixOf = ({ sentence }: Row): string => sentence.slice(sentence.indexOf('_') + 1).trim();
