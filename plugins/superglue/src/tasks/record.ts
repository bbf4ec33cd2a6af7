import { answerScore } from '@graft/benchmarks';
import { sliceCodePoints } from '@graft/core/internal';
import { z } from 'zod';
import { badRow, checkExamples, index, itemsOf, LONGEST_SPAN, parseRow, spanField, textField } from './rows';
import { accuracy, mean, topIsRight } from './scores';
import type { ClassificationExample, Part, RowPlace, SuperGlueTask, TextTask } from './task';

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

/** A row with the texts of its entities, each once, in the order of their characters. */
function readRow(row: unknown, place: RowPlace, part: Part) {
  const { idx, passage, qas } = parseRow(rowSchema, row, place);
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
  const entities = distinct(marked);
  if (entities.length === 0) throw badRow(place, 'passage.entities: there are none to choose from');
  checkExamples(entities.length * qas.length, place);
  for (const { idx: queryIdx, query, answers } of qas) {
    if (!query.includes(PLACEHOLDER)) throw badRow(place, `qas: query ${queryIdx} has no ${PLACEHOLDER}`);
    if (query.split(PLACEHOLDER).length > MOST_PLACEHOLDERS + 1)
      throw badRow(place, `qas: query ${queryIdx} has more than ${MOST_PLACEHOLDERS} ${PLACEHOLDER}`);
    if (!answers?.length && part !== 'test') throw badRow(place, `qas: query ${queryIdx} has no answers`);
  }
  return { idx, text: withoutHighlights(passage.text), entities, qas };
}

/** Each text once, ordered by code points, as Python orders them. */
const distinct = (texts: readonly string[]): string[] =>
  [...new Set(texts)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** One example for each query and entity. */
function examples(row: unknown, place: RowPlace, part: Part): ClassificationExample[] {
  const { idx, text, entities, qas } = readRow(row, place, part);
  return qas.flatMap(({ idx: queryIdx, query, answers }) => {
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
}

/** Which entity does the query leave out? One example for each query, whose answer is the entity's text. */
const recordText: TextTask = {
  examples: (row, place, part) => {
    const { idx, text, entities, qas } = readRow(row, place, part);
    return qas.map(({ idx: queryIdx, query, answers }) => ({
      id: `${idx}/${queryIdx}`,
      parts: [
        { text: `record query: ${query} entities: ${entities.join(', ')} passage: ` },
        { text, shortenable: true },
      ],
      choices: entities,
      answers: answers?.length ? distinct(answers.map((answer) => answer.text)) : undefined,
    }));
  },
  metrics: (results) => {
    const scores = results.map(({ example, text }) => answerScore(text, example.answers ?? []));
    return { f1: mean(scores.map(({ f1 }) => f1)), exactMatch: mean(scores.map(({ exactMatch }) => exactMatch)) };
  },
  isInvalid: ({ example, text }) => !example.choices.includes(text),
  submission: (results) => results.map(({ example, text }) => ({ idx: Number(example.id.split('/')[1]), label: text })),
};

/**
 * Is this entity of the passage the one that the query leaves out? The paper reports only classification, and not this
 * task.
 */
export const record: SuperGlueTask = {
  id: 'record',
  folder: 'ReCoRD',
  labels: ['false', 'true'],
  inMean: false,
  // Most entities are wrong: calling all of them wrong would be accurate, but useless.
  selectBy: 'exactMatch',
  examples,
  text: recordText,
  score: (results) => ({ accuracy: accuracy(results), exactMatch: topIsRight(results) }),
};
