import { endOfBraces } from '../math-strings';
import { equivalentMath } from './equivalent';
import { SHORT_UNITS } from './read-answer';

/** A final answer is not further from the end. */
const MAX_CHARACTERS = 20_000;

/** Formulas: between dollars, in brackets of LaTeX. */
const FORMULA = /\$\$([\s\S]+?)\$\$|\$((?:\\\$|[^$\n])+?)\$|\\\(([\s\S]+?)\\\)|\\\[([\s\S]+?)\\\]/g;
/** Marks of bold text; `**` between numbers is a power. */
const BOLD = /(?<![\w){^])(?:\*{2,3}|__)(?=\S)|(?<![\s{^])(?:\*{2,3}|__)(?![\w(])/g;
/** Numbers and terms of numbers in plain text. */
const PLAIN = /-?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*[-+*/^]\s*\d+(?:\.\d+)?)*\s*%?/g;
/** What shows that a number in front of it only begins the answer: `2\sqrt{3}`, `2x`, `6 1/2`, `1 and 2`; not `5cm`. */
const GOES_ON = new RegExp(
  String.raw`(?!(?:${SHORT_UNITS})\b)[\w\\^!(/*+-]|[.:]\d|(?:,\s*|\s+(?:(?:and|or)\s+)?)-?\d|\s*[-+*/^]\s*(?:[\\(\d]|[a-zA-Z]\b)`,
);

/**
 * The final answer in a text, as lm-eval's `math_verify` looks for it: behind the words "final answer is", in the last
 * box, behind the word "answer", in the last formula, or the last number. Undefined if there is none of these.
 *
 *     findAnswer('So $x = 3$. The answer is $\frac12$.')   ->   '\frac12'
 */
export function findAnswer(written: string): string | undefined {
  const text = written.slice(-MAX_CHARACTERS).replace(BOLD, '');
  const closed = [...text.matchAll(/final answer is:?\s*(.+?)\.?\s?I hope/gi)].at(-1);
  if (closed) return formulas(closed[1])[0] ?? closed[1].trim();
  const named = [...text.matchAll(/final answer.{0,100}?\sis:?\s*(.+)/gi)].at(-1);
  const box = text.lastIndexOf('\\boxed');
  if (box >= 0 && box > (named?.index ?? -1)) return text.slice(box, endOfBraces(text, box));
  if (named) return answerIn(named[1]);
  const said = [...text.matchAll(/answer(?::|\s+is:?)\s*(.+)/gi)].at(-1);
  const answer = said && answerIn(said[1]);
  return answer ?? formulas(text).at(-1) ?? bareFormula(text) ?? text.match(PLAIN)?.at(-1)?.trim();
}

/** The metric `equivalent`: 1 where a text gives the right answer, in whatever notation, otherwise 0. */
export function equivalentScore(right: string, written: string): number {
  const found = findAnswer(written);
  return Number(found !== undefined && equivalentMath(right, found));
}

/** The first line, if it has commands of LaTeX and no words. */
function bareFormula(text: string): string | undefined {
  const line = text.trim().split('\n')[0];
  const isFormula = /\\[a-zA-Z]/.test(line) && !/[a-zA-Z]{2}/.test(line.replace(/\\[a-zA-Z]+/g, ''));
  return isFormula ? line : undefined;
}

/** Formulas of a text; those that "and", "or" or a comma connects are one answer. */
function formulas(text: string): string[] {
  const found: { text: string; end: number }[] = [];
  for (const match of text.matchAll(FORMULA)) {
    const percent = /^\s*\\?%/.exec(text.slice(match.index + match[0].length))?.[0] ?? '';
    const formula = (match[1] ?? match[2] ?? match[3] ?? match[4]).trim() + percent;
    const end = match.index + match[0].length + percent.length;
    const last = found.at(-1);
    if (last && /^\s*(?:,|,?\s*and|,?\s*or)\s*$/.test(text.slice(last.end, match.index)))
      found[found.length - 1] = { text: `${last.text}, ${formula}`, end };
    else found.push({ text: formula, end });
  }
  return found.map((one) => one.text);
}

/** What a line says behind "answer is": its first formula, otherwise the number that begins it, otherwise its words. */
function answerIn(line: string): string | undefined {
  const number = new RegExp(`^\\$?(${PLAIN.source})(?!${GOES_ON.source})`).exec(line)?.[1];
  return formulas(line)[0] ?? number?.trim() ?? /^(?:[^.\n]|\.(?=\d))+/.exec(line)?.[0].trim();
}
