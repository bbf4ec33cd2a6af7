import { ChoiceTask, DataError, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { BenchmarkFiles, type ReadRows } from '../data/benchmark-files';

/** A question of MMLU. `right`: index of the choice. */
export interface MmluRow {
  readonly question: string;
  readonly choices: readonly string[];
  readonly right: number;
}

export const MMLU_LETTERS = ['A', 'B', 'C', 'D'];

/** The subjects' questions with their examples, for `task`. */
export async function mmluSets(task: string, { folder, shots }: TaskRequest): Promise<readonly TaskSet<MmluRow>[]> {
  const files = new BenchmarkFiles(folder, {
    task,
    folders: ['mmlu/data', 'mmlu'],
    from: 'the archive of the repository hendrycks/test: the folders test and dev of its data',
  });
  const sets: TaskSet<MmluRow>[] = [];
  for (const { name, file } of files.sets(/^(.+)_test\.csv$/, 'test')) {
    const { rows } = recordsOf(await files.records([file]));
    const none = { rows: [], file: '' };
    const dev = shots === 0 ? none : recordsOf(await files.records([`dev/${name}_dev.csv`]));
    sets.push({ name, rows, pool: dev.rows, poolName: dev.file });
  }
  return sets;
}

/** What precedes the questions of a subject. */
export const mmluPreamble = ({ name = '' }: TaskSet<MmluRow>): string =>
  `The following are multiple choice questions (with answers) about ${name.replaceAll('_', ' ')}.\n\n`;

export function mmluQuestion({ question, choices }: MmluRow): string {
  const lines = choices.map((choice, i) => `${MMLU_LETTERS[i]}. ${choice}`);
  return `${question.trim()}\n${lines.join('\n')}\nAnswer:`;
}

/** 57 subjects; the letters are scored. The accuracy counts questions, not subjects, as the benchmark's own script. */
export class Mmlu extends ChoiceTask<MmluRow> {
  readonly id = 'mmlu';
  readonly version = 1;
  readonly description = 'MMLU: 57 subjects, the letter of the answer';
  override readonly shots = 5;
  override readonly chance = 0.25;

  protected sets(request: TaskRequest): Promise<readonly TaskSet<MmluRow>[]> {
    return mmluSets(this.id, request);
  }

  protected override preamble(set: TaskSet<MmluRow>): string {
    return mmluPreamble(set);
  }

  protected question(row: MmluRow): string {
    return mmluQuestion(row);
  }

  protected choices({ right }: MmluRow): Choices {
    return { texts: MMLU_LETTERS, right: [right] };
  }
}

/** Records of question, four choices and a letter. */
function recordsOf({ rows, file }: ReadRows<readonly string[]>): ReadRows<MmluRow> {
  return {
    file,
    rows: rows.map((record, i) => {
      const right = MMLU_LETTERS.indexOf(record[5]?.trim());
      if (record.length === 6 && right >= 0) return { question: record[0], choices: record.slice(1, 5), right };
      throw new DataError(
        `${file}, record ${i + 1}: expected a question, four choices and a letter from A to D, got ${record.length} fields.`,
        { code: 'benchmarks.bad-row' },
      );
    }),
  };
}
