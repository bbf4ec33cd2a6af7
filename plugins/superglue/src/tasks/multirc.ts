import { z } from 'zod';
import { checkExamples, classOf, FALSE_TRUE, index, itemsOf, parseRow, textField } from './rows';
import { classOrFirst, invalidAsWrong, labelTask } from './label-texts';
import { accuracy, allRight, f1 } from './scores';
import type { ClassificationExample, Part, RowPlace, SuperGlueTask, TextResult } from './task';

const rowSchema = z.looseObject({
  idx: index,
  passage: z.looseObject({
    text: textField,
    questions: itemsOf(
      z.looseObject({
        idx: index,
        question: textField,
        answers: itemsOf(z.looseObject({ idx: index, text: textField, label: z.unknown().optional() })),
      }),
    ),
  }),
});

/** Replaces line breaks by blanks, and removes the bold type around the numbers of sentences. */
function withoutMarkup(text: string): string {
  return text.replace(/<br>/g, ' ').replace(/<\/?b>/g, '');
}

function examples(row: unknown, place: RowPlace, part: Part): ClassificationExample[] {
  const { idx, passage } = parseRow(rowSchema, row, place);
  const paragraph = withoutMarkup(passage.text);
  checkExamples(
    passage.questions.reduce((sum, { answers }) => sum + answers.length, 0),
    place,
  );
  return passage.questions.flatMap((question, q) =>
    question.answers.map((answer, a) => ({
      id: `${idx}/${question.idx}/${answer.idx}`,
      parts: [
        {
          text: `multirc question: ${withoutMarkup(question.question)} answer: ${withoutMarkup(answer.text)} paragraph: `,
        },
        { text: paragraph, shortenable: true as const },
      ],
      label: classOf(answer.label, FALSE_TRUE, place, part, `passage.questions.${q}.answers.${a}.label`),
      group: `${idx}/${question.idx}`,
    })),
  );
}

const LABELS = ['False', 'True'];

/** A line for each passage, with the labels 0 and 1 of its answers. */
function submission(results: readonly TextResult[]): object[] {
  const passages = new Map<number, Map<number, { idx: number; label: number }[]>>();
  for (const { example, text } of results) {
    const [passage, question, answer] = example.id.split('/').map(Number);
    const questions = passages.get(passage) ?? new Map<number, { idx: number; label: number }[]>();
    passages.set(passage, questions);
    questions.set(question, [...(questions.get(question) ?? []), { idx: answer, label: classOrFirst(text, LABELS) }]);
  }
  return [...passages].map(([idx, questions]) => ({
    idx,
    passage: { questions: [...questions].map(([question, answers]) => ({ idx: question, answers })) },
  }));
}

/** Is this a right answer to the question about the paragraph? Any number of a question's answers may be right. */
export const multirc: SuperGlueTask = {
  id: 'multirc',
  folder: 'MultiRC',
  labels: ['false', 'true'],
  inMean: true,
  examples,
  text: labelTask({
    examples,
    labels: LABELS,
    metrics: (results) => ({ f1: f1(invalidAsWrong(results), 1), exactMatch: allRight(results) }),
    submission,
  }),
  score: (results) => ({ accuracy: accuracy(results), f1: f1(results, 1), exactMatch: allRight(results) }),
};
