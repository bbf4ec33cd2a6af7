/** Letters of choices in what a model wrote. */
import { lastMatch, NO_ANSWER } from './exact-match';

/**
 * The letter from A to D that an answer names: at its beginning, behind "answer is", otherwise the last one that stands
 * alone.
 *
 *     letterIn('**B**. Ice floats.')   ->   'B'
 */
export function letterIn(text: string): string {
  const first = /^\W*([A-D])(?:[^\w\s]|\s*$)/.exec(text)?.[1];
  const said = first ?? /answer is:?\W*([A-D])\b/i.exec(text)?.[1].toUpperCase();
  return said ?? lastMatch(text, /\b([A-D])\b/g);
}

const plain = (text: string): string => text.toLowerCase().replace(/\p{P}/gu, '');

/**
 * The choice that an answer names, as `(B)`, by the rules of lm-eval's filter `multi_choice_regex`: the last letter in
 * parentheses, otherwise the last choice whose text occurs, without case and punctuation, otherwise the last letter behind
 * a colon.
 *
 *     choiceIn('Not (A), but (B).', ['3', '4'])   ->   '(B)'
 */
export function choiceIn(text: string, choices: readonly string[]): string {
  const inParentheses = lastMatch(text, /(\([A-Z]\))/g);
  if (inParentheses !== NO_ANSWER) return inParentheses;
  const texts = choices.map((choice) => plain(choice.trim()));
  const named = lastMatch(plain(text), new RegExp(texts.map(escaped).join('|'), 'g'));
  // An empty one, of a choice that is all punctuation, names nothing.
  if (named !== '' && named !== NO_ANSWER) {
    // Of two choices with the same text the last one counts; one that ends in a space is not found again, as in the filter.
    return texts.includes(named) ? letterAt(texts.lastIndexOf(named)) : named;
  }
  const letters = choices.map((_, i) => letterAt(i)[1]);
  const behindColon = lastMatch(text, new RegExp(`:\\s*(${letters.join('|')})`, 'g'));
  return behindColon === NO_ANSWER ? NO_ANSWER : `(${behindColon})`;
}

const letterAt = (index: number): string => `(${String.fromCharCode(65 + index)})`;
const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
