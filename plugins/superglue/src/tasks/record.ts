import { sliceCodePoints } from '@graft/core/internal';
import { z } from 'zod';
import { badRow, checkExamples, index, itemsOf, LONGEST_SPAN, parseRow, spanField, textField } from './rows';
import { accuracy, topIsRight } from './scores';
import type { SuperGlueTask } from './task';

const rowSchema = z.looseObject({
  idx: index,
  passage: z.looseObject({
    text: textField,
    /** Positions of first and last character. */
    entities: itemsOf(z.looseObject({ start: index, end: index })),
  }),
  qas: itemsOf(
    z.looseObject({
      idx: index,
      query: textField,
      answers: itemsOf(z.looseObject({ text: spanField })).optional(),
    }),
  ),
});

const PLACEHOLDER = '@placeholder';
/** Placeholders of a query; the benchmark's have one. */
const MOST_PLACEHOLDERS = 16;

/** The summary's points as sentences: each begins on its own line, after a marker. */
function withoutHighlights(passage: string): string {
  return passage.replace(/([.?!"'])\n@highlight\n/g, '$1 ').replace(/\n@highlight\n/g, '. ');
}

/**
 * Is this entity of the passage the one that the query leaves out? One example for each query and entity: the paper
 * reports only classification, and not this task.
 */
export const record: SuperGlueTask = {
  id: 'record',
  folder: 'ReCoRD',
  labels: ['false', 'true'],
  inMean: false,
  // Most entities are wrong: calling all of them wrong would be accurate, but useless.
  selectBy: 'exactMatch',
  examples: (row, place, part) => {
    const { idx, passage, qas } = parseRow(rowSchema, row, place);
    const text = withoutHighlights(passage.text);
    const marked = passage.entities.map(({ start, end }, i) => {
      const entity = sliceCodePoints(passage.text, start, end + 1);
      if (entity.length > LONGEST_SPAN)
        throw badRow(
          place,
          `passage.entities.${i}: it has ${entity.length} characters; Graft takes at most ${LONGEST_SPAN}`,
        );
      if (entity.trim() === '') throw badRow(place, `passage.entities.${i}: there is no text from ${start} to ${end}`);
      return entity;
    });
    const entities = [...new Set(marked)].sort();
    if (entities.length === 0) throw badRow(place, 'passage.entities: there are none to choose from');
    checkExamples(entities.length * qas.length, place);
    return qas.flatMap(({ idx: queryIdx, query, answers }) => {
      if (!query.includes(PLACEHOLDER)) throw badRow(place, `qas: query ${queryIdx} has no ${PLACEHOLDER}`);
      if (query.split(PLACEHOLDER).length > MOST_PLACEHOLDERS + 1)
        throw badRow(place, `qas: query ${queryIdx} has more than ${MOST_PLACEHOLDERS} ${PLACEHOLDER}`);
      if (!answers?.length && part !== 'test') throw badRow(place, `qas: query ${queryIdx} has no answers`);
      const right = new Set(answers?.map((answer) => answer.text));
      return entities.map((entity, i) => ({
        id: `${idx}/${queryIdx}/${i}`,
        parts: [
          // A function, because an entity may contain what replaceAll would treat as a pattern.
          { text: `record query: ${query.replaceAll(PLACEHOLDER, () => entity)} entity: ${entity} passage: ` },
          { text, shortenable: true as const },
        ],
        label: answers?.length ? Number(right.has(entity)) : undefined,
        group: `${idx}/${queryIdx}`,
      }));
    });
  },
  score: (results) => ({ accuracy: accuracy(results), exactMatch: topIsRight(results) }),
};
