import { GenerationTask, type GenerationAnswer, type RowScore, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { exactMatch } from '../answers/exact-match';
import { BenchmarkFiles, type ReadRows } from '../data/benchmark-files';
import { pooled } from '../data/pooled';

const aliases = z.array(z.string()).min(1);
const rowSchema = z.looseObject({ question_id: z.string(), question: z.string(), answer: z.looseObject({ aliases }) });
/** The original file is one object, with names in capitals. */
const fileSchema = z.looseObject({
  Data: z.array(
    z.looseObject({ QuestionId: z.string(), Question: z.string(), Answer: z.looseObject({ Aliases: aliases }) }),
  ),
});
interface Row {
  readonly id: string;
  readonly question: string;
  readonly aliases: readonly string[];
}

/** Questions of quizzes. Any alias is right; articles count. */
export class TriviaQa extends GenerationTask<Row> {
  readonly id = 'triviaqa';
  readonly version = 1;
  readonly description = 'TriviaQA: questions of quizzes, short answers';
  override readonly shots = 5;
  protected readonly until = ['\n', '.', ','];
  protected override readonly maxNewTokens = 64;

  protected sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['triviaqa', 'triviaqa-unfiltered', 'triviaqa/qa'],
      from: "TriviaQA's archive (unfiltered), or the data set mandarjoshi/trivia_qa, rc.nocontext",
    });
    return pooled(
      shots,
      (names) => this.read(files, names),
      ['validation', 'unfiltered-web-dev', 'wikipedia-dev'],
      ['train', 'unfiltered-web-train', 'wikipedia-train', 'pool'],
    );
  }

  private async read(files: BenchmarkFiles, names: readonly string[]): Promise<ReadRows<Row>> {
    const original = names.filter((name) => name.includes('-')).map((name) => `${name}.json`);
    if (files.has(original)) {
      const { Data } = await files.value(original, fileSchema);
      const rows = Data.map(({ QuestionId: id, Question: question, Answer: { Aliases } }) => {
        return { id, question, aliases: Aliases };
      });
      return { rows, file: original[0] };
    }
    const { rows, file } = await files.rows(names, rowSchema);
    return {
      file,
      rows: rows.map(({ question_id: id, question, answer }) => ({ id, question, aliases: answer.aliases })),
    };
  }

  protected override idOf({ id }: Row): string {
    return id;
  }

  /** Questions end in a question mark, and get a second one, as in the field's harness. */
  protected question({ question }: Row): string {
    return `Question: ${question}?\nAnswer:`;
  }

  protected answer(row: Row): string {
    return ` ${row.aliases[0]}`;
  }

  protected target(row: Row): readonly string[] {
    return row.aliases;
  }

  protected score({ text }: GenerationAnswer, row: Row): RowScore {
    const extracted = text.trim();
    const rules = { ignoreCase: true, ignorePunctuation: true };
    return { extracted, metrics: { exactMatch: exactMatch(extracted, row.aliases, rules) } };
  }
}
