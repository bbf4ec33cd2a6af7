/** The final answer of a solution as Minerva's evaluation reads and compares it, by strings alone. */
import { insideBoxed, lastBoxed } from './math-strings';

const SUBSTITUTIONS: readonly (readonly [string, string])[] = [
  ['an ', ''],
  ['a ', ''],
  ['.$', '$'],
  ['\\$', ''],
  ['\\ ', ''],
  [' ', ''],
  ['mbox', 'text'],
  [',\\text{and}', ','],
  ['\\text{and}', ','],
  ['\\text{m}', '\\text{}'],
];

/** Units and words that stand around numbers. */
const REMOVED: readonly string[] = [
  ...['square', 'ways', 'integers', 'dollars', 'mph', 'inches', 'ft', 'hours', 'km', 'units', '\\ldots', 'sue'],
  ...['points', 'feet', 'minutes', 'digits', 'cents', 'degrees', 'cm', 'gm', 'pounds', 'meters', 'meals', 'edges'],
  ...['students', 'childrentickets', 'multiples', '\\text{s}', '\\text{.}', '\\text{\ns}', '\\text{}^2'],
  ...['\\text{}^3', '\\text{\n}', '\\text{}', '\\mathrm{th}', '^\\circ', '^{\\circ}', '\\;', ',\\!', '{,}', '"'],
  '\\dots',
];

/** The closing words of an example, which a model that follows it writes too. */
const CLOSING = 'I hope it is correct.';

/** What stands between the words that introduce the final answer and those that close it; undefined: they are not there. */
export function finalAnswer(text: string): string | undefined {
  // Appended, so that missing closing words are forgiven.
  return /Final Answer: The final answer is(.*?).[ ]I hope it is correct./.exec(text + CLOSING)?.[1].trim();
}

/** The answer of a reference solution: its last box. */
export const boxedAnswer = (solution: string): string => insideBoxed(lastBoxed(solution) ?? '') ?? '';

/**
 * One notation for many.
 *
 *     plainFinalAnswer('x = $1,000$ cm')   ->   '1000'
 */
export function plainFinalAnswer(answer: string): string {
  let text = answer.split('=').at(-1)!;
  for (const [from, to] of SUBSTITUTIONS) text = text.replaceAll(from, to);
  for (const word of REMOVED) text = text.replaceAll(word, '');
  text = text
    .replace(/(.*?)(\$)(.*?)(\$)(.*)/g, '$$$3$$')
    .replace(/\\text\{(.*?)\}/g, '$1')
    .replace(/\\textbf\{(.*?)\}/g, '$1')
    .replace(/\\overline\{(.*?)\}/g, '$1')
    .replace(/\\boxed\{(.*)\}/g, '$1')
    .replace(/frac([^{])(.)/g, 'frac{$1}{$2}')
    .replace(/sqrt([^{])/g, 'sqrt{$1}')
    .replaceAll('$', '');
  return /^\d+$/.test(text.replaceAll(',', '')) ? text.replaceAll(',', '') : text;
}
