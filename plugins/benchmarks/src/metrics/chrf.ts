import { checkCorpus, referenceCount, SACREBLEU_VERSION } from './corpus';
import { countNgrams, matches, total, type Counts } from './ngrams';
import { splitWords } from './python-text';

/** Longest n-grams of characters. */
const CHARACTER_ORDERS = 6;
/** Weight of recall against precision: the 2 of chrF2. */
const BETA = 2;

/** How chrF is computed. The defaults are sacrebleu's. */
export interface ChrfOptions {
  /** Longest n-grams of words that count too: 0 is chrF, 2 is chrF++. Default 0. */
  readonly wordOrder?: number;
  /** Whether upper and lower case are the same. Default false. */
  readonly lowercase?: boolean;
}

/** chrF of a corpus. */
export interface ChrfScore {
  /** From 0 to 100. */
  readonly score: number;
  /** sacrebleu's signature of these settings: `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0`. */
  readonly signature: string;
}

/** Counts of n-grams of one order: of the hypothesis, of the reference, and of both. */
type Triple = readonly [hypothesis: number, reference: number, both: number];

/**
 * chrF2 of a corpus (Popović, 2015), the F-score of character n-grams, as sacrebleu computes it: whitespace does not
 * count, and counts are summed over the corpus. Of several references, the one with the best score counts.
 * `references`: a list for each hypothesis. Throws DataError for a corpus without hypotheses, and where references are
 * missing.
 */
export function chrf(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  { wordOrder = 0, lowercase = false }: ChrfOptions = {},
): ChrfScore {
  checkCorpus(hypotheses, references, 'chrF');
  const gramsOf = (text: string): Counts[] => allNgrams(lowercase ? text.toLowerCase() : text, wordOrder);
  const sums = Array.from({ length: CHARACTER_ORDERS + wordOrder }, () => [0, 0, 0]);
  hypotheses.forEach((hypothesis, i) => {
    const best = bestOf(gramsOf(hypothesis), references[i].map(gramsOf));
    best.forEach((triple, order) => triple.forEach((count, k) => (sums[order][k] += count)));
  });
  const settings = `case:${lowercase ? 'lc' : 'mixed'}|eff:yes|nc:${CHARACTER_ORDERS}|nw:${wordOrder}|space:no`;
  return {
    score: fScore(sums as unknown as readonly Triple[]),
    signature: `nrefs:${referenceCount(references)}|${settings}|version:${SACREBLEU_VERSION}`,
  };
}

function bestOf(hypothesis: readonly Counts[], references: readonly (readonly Counts[])[]): readonly Triple[] {
  let best: readonly Triple[] = [];
  let bestScore = -1;
  for (const reference of references) {
    const triples = hypothesis.map((own, order): Triple => {
      const other = reference[order];
      // N-grams of an order that the reference does not have cannot be wrong.
      return [other.size > 0 ? total(own) : 0, total(other), matches(own, other)];
    });
    const score = fScore(triples);
    if (score > bestScore) [best, bestScore] = [triples, score];
  }
  return best;
}

/** The F-score of precision and recall, each the mean over the orders that both sides have. */
function fScore(orders: readonly Triple[]): number {
  let [precision, recall, there] = [0, 0, 0];
  for (const [hypothesis, reference, both] of orders) {
    if (hypothesis === 0 || reference === 0) continue;
    precision += both / hypothesis;
    recall += both / reference;
    there++;
  }
  if (there === 0 || precision + recall === 0) return 0;
  precision /= there;
  recall /= there;
  return (100 * ((1 + BETA ** 2) * precision * recall)) / (BETA ** 2 * precision + recall);
}

function allNgrams(text: string, wordOrder: number): Counts[] {
  const words = splitWords(text);
  const characters = Array.from(words.join(''));
  const separated = words.flatMap(withoutPunctuation);
  return [
    ...Array.from({ length: CHARACTER_ORDERS }, (_, i) => countNgrams(characters, i + 1, '')),
    ...Array.from({ length: wordOrder }, (_, i) => countNgrams(separated, i + 1, ' ')),
  ];
}

const PUNCTUATION = new Set('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~');

/** One mark of punctuation at the end of a word, otherwise one at its start, is a word of its own: `(hi)` is `(hi` `)`. */
function withoutPunctuation(word: string): string[] {
  const characters = Array.from(word);
  if (characters.length === 1) return [word];
  const last = characters.at(-1)!;
  if (PUNCTUATION.has(last)) return [characters.slice(0, -1).join(''), last];
  return PUNCTUATION.has(characters[0]) ? [characters[0], characters.slice(1).join('')] : [word];
}
