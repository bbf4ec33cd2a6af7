import {
  ChoiceTask,
  largestAt,
  type Choices,
  type LikelihoodAnswer,
  type RowScore,
  type TaskRequest,
  type TaskSet,
} from '@graft/core';
import { sliceCodePoints } from '@graft/core/internal';
import { z } from 'zod';
import { answerScore } from '../../metrics/answers';
import { superGlueSets } from './files';

const idx = z.int().min(0);
const rowSchema = z.looseObject({
  idx,
  passage: z.looseObject({
    text: z.string(),
    /** Positions of first and last character. */
    entities: z.array(z.looseObject({ start: idx, end: idx })).min(1),
  }),
  qas: z.array(
    z.looseObject({
      idx,
      query: z.string().includes('@placeholder'),
      answers: z.array(z.looseObject({ text: z.string() })).min(1),
    }),
  ),
});

interface Row {
  /** `passage/query`, as the benchmark numbers them. */
  readonly id: string;
  readonly passage: string;
  readonly query: string;
  /** Of the passage, each once. */
  readonly entities: readonly string[];
  readonly answers: readonly string[];
}

/**
 * Which entity of the passage does the query leave out? The query is scored with each. `exactMatch` and `f1` are the
 * maximum over the answers.
 */
export class ReCoRD extends ChoiceTask<Row> {
  readonly id = 'record';
  readonly version = 1;
  readonly description = 'ReCoRD: which entity of a passage is left out';
  override readonly metric = 'f1';

  protected sets(request: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    return superGlueSets(this.id, 'ReCoRD', request, rowSchema, ({ idx: ofPassage, passage, qas }) => {
      const { text } = passage;
      const marked = passage.entities.map(({ start, end }) => sliceCodePoints(text, start, end + 1));
      const entities = [...new Set(marked)].sort();
      return qas.map(({ idx: ofQuery, query, answers }) => ({
        id: `${ofPassage}/${ofQuery}`,
        passage: text,
        query,
        entities,
        answers: [...new Set(answers.map((answer) => answer.text))].sort(),
      }));
    });
  }

  protected override idOf({ id }: Row): string {
    return id;
  }

  /** The points of the summary are a list, which the query continues. */
  protected question({ passage }: Row): string {
    const [text, ...points] = passage.trim().split('\n@highlight\n');
    return `${text}\n\n${points.map((point) => `  - ${point}.\n`).join('')}`;
  }

  protected choices({ query, entities, answers }: Row): Choices {
    // A function, because an entity may contain what a replacement treats as a pattern.
    const texts = entities.map((entity) => `  - ${query.replaceAll('@placeholder', () => entity)}`);
    return { texts, right: entities.flatMap((entity, i) => (answers.includes(entity) ? [i] : [])) };
  }

  protected override example(row: Row): string {
    const { texts, right } = this.choices(row);
    return `${this.question(row)} ${texts[right[0] ?? 0]}`;
  }

  protected override score(
    answers: readonly LikelihoodAnswer[],
    _choices: Choices,
    { entities, answers: right }: Row,
  ): RowScore {
    const extracted = entities[largestAt(answers.map(({ logLikelihood }) => logLikelihood))];
    const { f1, exactMatch } = answerScore(extracted, right);
    return { extracted, metrics: { f1, exactMatch } };
  }
}
