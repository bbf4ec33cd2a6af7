import { splitWords } from './python-text';
import { countNgrams, matches } from './ngrams';

/** How well an answer in words agrees with the right ones. */
export interface AnswerScore {
  /** 1 if the normalized answer equals one of the right ones, otherwise 0. */
  readonly exactMatch: number;
  /** F1 of the words, from 0 to 1, for the right answer with which it is best. */
  readonly f1: number;
}

const ASCII_PUNCTUATION = /[!-/:-@[-`{-~]/g;

/**
 * An answer as SQuAD compares it: in lower case, without ASCII punctuation and the articles a, an and the, with single
 * spaces.
 *
 *     `The  Eiffel-Tower!`   ->   `eiffeltower`
 */
export function normalizeAnswer(text: string): string {
  return splitWords(withoutArticles(withoutPunctuation(text.toLowerCase()))).join(' ');
}

/** The text without the 32 marks of ASCII punctuation. */
export const withoutPunctuation = (text: string): string => text.replace(ASCII_PUNCTUATION, '');

/** The text with a space in place of each of the words a, an and the. */
export const withoutArticles = (text: string): string => text.replace(ARTICLES, ' ');

/** Python's `\b` knows letters of all scripts, JavaScript's only those of ASCII. */
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** Exact match and token F1 as SQuAD computes them (Rajpurkar et al., 2016), each the best over the right answers. */
export function answerScore(answer: string, rightAnswers: readonly string[]): AnswerScore {
  const own = normalizeAnswer(answer);
  const right = rightAnswers.map(normalizeAnswer);
  return {
    exactMatch: right.includes(own) ? 1 : 0,
    f1: Math.max(0, ...right.map((other) => wordF1(splitWords(own), splitWords(other)))),
  };
}

/** F1 of two bags of words. SQuAD 2.0: where one is empty, 1 if both are. */
function wordF1(own: readonly string[], right: readonly string[]): number {
  if (own.length === 0 || right.length === 0) return own.length === right.length ? 1 : 0;
  const common = matches(countNgrams(own, 1, ' '), countNgrams(right, 1, ' '));
  if (common === 0) return 0;
  const [precision, recall] = [common / own.length, common / right.length];
  return (2 * precision * recall) / (precision + recall);
}
