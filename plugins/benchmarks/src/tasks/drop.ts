import { GenerationTask, type GenerationAnswer, type RowScore, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { dropScore } from '../metrics/drop-score';
import { BenchmarkFiles, type ReadRows } from '../data/benchmark-files';
import { pooled } from '../data/pooled';

const answerSchema = z.looseObject({
  number: z.union([z.string(), z.number().transform(String)]),
  date: z.looseObject({ day: z.string().default(''), month: z.string().default(''), year: z.string().default('') }),
  spans: z.array(z.string()),
});
type Answer = z.output<typeof answerSchema>;
const fileSchema = z.record(
  z.string(),
  z.looseObject({
    passage: z.string(),
    qa_pairs: z.array(
      z.looseObject({
        question: z.string(),
        query_id: z.string(),
        answer: answerSchema,
        validated_answers: z.array(answerSchema).default([]),
      }),
    ),
  }),
);
interface Row {
  readonly id: string;
  readonly passage: string;
  readonly question: string;
  /** Each of one or more spans. */
  readonly answers: readonly (readonly string[])[];
}

/**
 * Reading with arithmetic. An example shows its first answer, spans joined by commas; the field's harness shows the names
 * of the answer's fields there, so that its scores with examples do not compare.
 */
export class Drop extends GenerationTask<Row> {
  readonly id = 'drop';
  readonly version = 1;
  readonly description = 'DROP: reading with arithmetic, F1 of the answer';
  override readonly metric = 'f1';
  override readonly shots = 3;
  protected readonly until = ['.'];
  protected override readonly maxNewTokens = 64;

  protected sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['drop', 'drop_dataset'],
      from: "DROP's archive (drop_dataset)",
    });
    const read = async (names: readonly string[]): Promise<ReadRows<Row>> => {
      const passages = await files.value(names, fileSchema);
      return { rows: Object.values(passages).flatMap(rowsOf), file: names[0] };
    };
    return pooled(shots, read, ['drop_dataset_dev.json'], ['drop_dataset_train.json']);
  }

  protected override idOf({ id }: Row): string {
    return id;
  }

  protected question({ passage, question }: Row): string {
    return `${passage} ${question}`;
  }

  protected answer({ answers }: Row): string {
    return ` ${answers[0].join(', ')}`;
  }

  protected target({ answers }: Row): readonly string[] {
    return answers.map((spans) => spans.join(', '));
  }

  protected score({ text }: GenerationAnswer, { answers }: Row): RowScore {
    // A generated list is one span: nothing says where it would be divided.
    const { f1, exactMatch } = dropScore([text], answers);
    return { metrics: { f1, exactMatch } };
  }
}

function rowsOf({ passage, qa_pairs }: z.output<typeof fileSchema>[string]): Row[] {
  return qa_pairs.map(({ question, query_id: id, answer, validated_answers }) => {
    const answers = [answer, ...validated_answers].map(spansOf);
    const known = new Set<string>();
    const distinct = answers.filter((spans) => {
      const key = JSON.stringify(spans);
      return !known.has(key) && known.add(key);
    });
    return { id, passage, question, answers: distinct };
  });
}

/** The number if there is one, else the spans, else the date. */
function spansOf({ number, spans, date: { day, month, year } }: Answer): string[] {
  if (number !== '') return [number];
  return spans.length > 0 ? spans : [`${day} ${month} ${year}`.trim()];
}
