import { ChoiceTask, DataError, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { isTrue, superGlueSets } from './files';

const rowSchema = z.looseObject({
  text: z.string(),
  target: z.looseObject({ span1_text: z.string().min(1), span2_text: z.string().min(1), span2_index: z.int().min(0) }),
  idx: z.int(),
  label: z.union([z.boolean(), z.int().min(0).max(1), z.enum(['True', 'False'])]),
});
type FileRow = z.output<typeof rowSchema>;

interface Row {
  /** With asterisks around the pronoun. */
  readonly passage: string;
  readonly noun: string;
  readonly pronoun: string;
  readonly label: boolean;
}

/** Does the pronoun stand for the noun? */
export class WinogradSchemas extends ChoiceTask<Row> {
  readonly id = 'wsc';
  readonly version = 1;
  readonly description = 'WSC: whether a pronoun stands for a noun';
  override readonly chance = 0.5;

  protected sets(request: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    return superGlueSets(this.id, 'WSC', request, rowSchema, (row) => [rowOf(row)]);
  }

  protected question({ passage, noun, pronoun }: Row): string {
    return `Passage: ${passage}\nQuestion: In the passage above, does the pronoun "*${pronoun}*" refer to "*${noun}*"?\nAnswer:`;
  }

  protected choices({ label }: Row): Choices {
    return { texts: ['no', 'yes'], right: [Number(label)] };
  }
}

function rowOf({ text, target, idx, label }: FileRow): Row {
  const { span1_text: noun, span2_text: pronoun } = target;
  const start = placeOf(pronoun, text, target.span2_index);
  if (start < 0)
    throw new DataError(`Row ${idx} of WSC: ${JSON.stringify(pronoun)} is not in its text.`, {
      code: 'benchmarks.bad-row',
      exitCode: 2,
      hint: "Take the benchmark's own files.",
    });
  const marked = `${text.slice(0, start)}*${pronoun}*${text.slice(start + pronoun.length)}`;
  return { passage: detokenized(marked), noun, pronoun, label: isTrue(label) };
}

/**
 * Where the pronoun begins. The benchmark counts words between blanks, and miscounts in a few rows: the occurrence
 * nearest to the counted word is meant.
 */
function placeOf(pronoun: string, text: string, word: number): number {
  const counted = [...text.matchAll(/\S+/g)][word]?.index ?? text.length;
  const isLetter = (at: number): boolean => /[\p{L}\p{N}]/u.test(text.charAt(at));
  const places: number[] = [];
  for (let at = text.indexOf(pronoun); at >= 0; at = text.indexOf(pronoun, at + 1))
    if (!isLetter(at - 1) && !isLetter(at + pronoun.length)) places.push(at);
  return places.sort((a, b) => Math.abs(a - counted) - Math.abs(b - counted))[0] ?? -1;
}

/** Without the blanks that the benchmark has around punctuation. */
const detokenized = (text: string): string =>
  text
    .replaceAll(" n't", "n't")
    .replaceAll(' )', ')')
    .replaceAll('( ', '(')
    .replaceAll('" ', '"')
    .replaceAll(' "', '"')
    .replace(/ (['.,])/g, '$1');
