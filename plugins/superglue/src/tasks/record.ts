import { z } from 'zod';
import { badRow, index, parseRow, sliceCodePoints } from './rows';
import { accuracy, topIsRight } from './scores';
import type { SuperGlueTask } from './task';

const rowSchema = z.looseObject({
  idx: index,
  passage: z.looseObject({
    text: z.string(),
    /** Positions of first and last character. */
    entities: z.array(z.looseObject({ start: index, end: index })),
  }),
  qas: z.array(
    z.looseObject({
      idx: index,
      query: z.string(),
      answers: z.array(z.looseObject({ text: z.string() })).optional(),
    }),
  ),
});

const PLACEHOLDER = '@placeholder';

/** The summary's points as sentences: each begins on a line of its own, behind a marker. */
function withoutHighlights(passage: string): string {
  return passage.replace(/([.?!"'])\n@highlight\n/g, '$1 ').replace(/\n@highlight\n/g, '. ');
}

/**
 * Is this entity of the passage the one that the query leaves out? One example for each query and entity: the paper
 * reports classification alone, and not this task.
 */
export const record: SuperGlueTask = {
  id: 'record',
  folder: 'ReCoRD',
  labels: ['false', 'true'],
  inMean: false,
  examples: (row, place, part) => {
    const { idx, passage, qas } = parseRow(rowSchema, row, place);
    const text = withoutHighlights(passage.text);
    const entities = [
      ...new Set(passage.entities.map(({ start, end }) => sliceCodePoints(passage.text, start, end + 1))),
    ].sort();
    return qas.flatMap(({ idx: queryIdx, query, answers }) => {
      if (!query.includes(PLACEHOLDER)) throw badRow(place, `qas: query ${queryIdx} has no ${PLACEHOLDER}`);
      if (!answers && part !== 'test') throw badRow(place, `qas: query ${queryIdx} has no answers`);
      const right = new Set(answers?.map((answer) => answer.text));
      return entities.map((entity, i) => ({
        id: `${idx}/${queryIdx}/${i}`,
        parts: [
          // A function: an entity may hold what replaceAll would take for a pattern.
          { text: `record query: ${query.replaceAll(PLACEHOLDER, () => entity)} entity: ${entity} passage: ` },
          { text, shortenable: true as const },
        ],
        label: answers ? Number(right.has(entity)) : undefined,
        group: `${idx}/${queryIdx}`,
      }));
    });
  },
  score: (results) => ({ accuracy: accuracy(results), exactMatch: topIsRight(results) }),
};
