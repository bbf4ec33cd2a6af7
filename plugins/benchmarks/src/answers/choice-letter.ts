/** Letters of choices in what a model wrote. */
import { firstMatch, lastMatch, NO_ANSWER } from './exact-match';

/** A letter that is not part of a word: not that of B-lymphocytes. */
const LETTER = String.raw`([A-D])\b(?![-'’]\w)`;
const ALONE = new RegExp(String.raw`\b${LETTER}`, 'g');
/** A letter behind "answer is" or "Answer:", which is not the article "a". */
const NAMED = new RegExp(
  String.raw`(?:[Aa]nswer|ANSWER)\W{0,9}(?:is\b|:)\W{0,9}(?:(?:[Oo]ption|[Cc]hoice)\W{1,9})?(?:${LETTER}|([a-d])(?=[\]),.:;*]|\s*$))`,
  'g',
);
/** With punctuation behind it, which does not lead to another letter. */
const AT_BEGINNING = /^\W*([A-D])(?:[).:*\]]|,(?!\W*[A-D]\b)|\s*$)/g;

/**
 * The letter from A to D that an answer names: behind "answer is", at its beginning, otherwise the last one that stands
 * alone.
 *
 *     letterIn('**B**. Ice floats.')   ->   'B'
 */
export function letterIn(text: string): string {
  const letter = [firstMatch(text, NAMED), firstMatch(text, AT_BEGINNING)].find((found) => found !== NO_ANSWER);
  return letter?.toUpperCase() ?? lastMatch(text, ALONE);
}

const plain = (text: string): string => text.toLowerCase().replace(/\p{P}/gu, '');

/**
 * The choice that an answer names, as `(B)`, by the rules of lm-eval's filter `multi_choice_regex`: the last letter in
 * parentheses, otherwise the last choice whose text occurs, without case and punctuation, otherwise the last letter behind
 * a colon. Where these find nothing, the last letter behind "answer is", or a text that is nothing but a letter.
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
  const others = [lastMatch(text, NAMED), firstMatch(text, /^\W*([A-D])\W*$/g)];
  const letter = [behindColon, ...others].find((found) => found !== NO_ANSWER);
  return letter === undefined ? NO_ANSWER : `(${letter.toUpperCase()})`;
}

const letterAt = (index: number): string => `(${String.fromCharCode(65 + index)})`;
const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
