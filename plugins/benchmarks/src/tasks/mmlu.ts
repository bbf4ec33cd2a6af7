import { ChoiceTask, DataError, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { BenchmarkFiles, type ReadRows } from '../data/benchmark-files';

interface Row {
  readonly question: string;
  readonly choices: readonly string[];
  readonly right: number;
}

const LETTERS = ['A', 'B', 'C', 'D'];

/** 57 subjects; the letters are scored. The accuracy counts questions, not subjects, as the benchmark's own script. */
export class Mmlu extends ChoiceTask<Row> {
  readonly id = 'mmlu';
  readonly version = 1;
  readonly description = 'MMLU: 57 subjects, the letter of the answer';
  override readonly shots = 5;
  override readonly chance = 0.25;

  protected async sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['mmlu/data', 'mmlu'],
      from: 'the archive of the repository hendrycks/test: the folders test and dev of its data',
    });
    const sets: TaskSet<Row>[] = [];
    for (const { name, file } of files.sets(/^(.+)_test\.csv$/, 'test')) {
      const { rows } = recordsOf(await files.records([file]));
      const none = { rows: [], file: '' };
      const dev = shots === 0 ? none : recordsOf(await files.records([`dev/${name}_dev.csv`]));
      sets.push({ name, rows, pool: dev.rows, poolName: dev.file });
    }
    return sets;
  }

  protected override preamble({ name = '' }: TaskSet<Row>): string {
    return `The following are multiple choice questions (with answers) about ${name.replaceAll('_', ' ')}.\n\n`;
  }

  protected question({ question, choices }: Row): string {
    const lines = choices.map((choice, i) => `${LETTERS[i]}. ${choice}`);
    return `${question.trim()}\n${lines.join('\n')}\nAnswer:`;
  }

  protected choices({ right }: Row): Choices {
    return { texts: LETTERS, right: [right] };
  }
}

/** Records of question, four choices and a letter. */
function recordsOf({ rows, file }: ReadRows<readonly string[]>): ReadRows<Row> {
  return {
    file,
    rows: rows.map((record, i) => {
      const right = LETTERS.indexOf(record[5]?.trim());
      if (record.length === 6 && right >= 0) return { question: record[0], choices: record.slice(1, 5), right };
      throw new DataError(
        `${file}, record ${i + 1}: expected a question, four choices and a letter from A to D, got ${record.length} fields.`,
        { code: 'benchmarks.bad-row' },
      );
    }),
  };
}
