/** BLEU, chrF, ROUGE and SQuAD's scores of random texts: as the published implementations compute them. */
import { answerScore, bleu, chrf, rouge, sentenceBleu, type BleuOptions, type ChrfOptions } from '@graft/benchmarks';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';

const isThere = hasModules('sacrebleu', 'rouge_score', 'torchmetrics');
/** Other texts for another number. */
const SEED = Number(process.env.GRAFT_PEERS_SEED ?? '1');
const CASES = 300;
/** Of numbers up to 100: the two languages' exponential functions differ in the last digit. */
const TOLERANCE = 1e-11;

interface Case {
  readonly hypotheses: readonly string[];
  readonly references: readonly (readonly string[])[];
}

interface Published {
  readonly bleu: Readonly<Record<string, object>>;
  readonly chrf: Readonly<Record<string, object>>;
  readonly sentences: readonly { bleu: number; chrf: number; rouge: object; exactMatch: number; f1: number }[];
}

let state = SEED + 10;
const draw = (below: number): number => (state = (state * 48271) % 0x7fffffff) % below;
const pick = <T>(list: readonly T[]): T => list[draw(list.length)];

const WORDS = 'the The a An cat cats sat on mat is IS not 12 1,000 3.5 2.-5 7-Eleven U.S. (hi) "so" don\'t e.g. x-\ny'.split(' ');
WORDS.push('&amp;', '&lt;b&gt;', '&quot;', '<skipped>', 'naïve', 'Straße', 'İstanbul', 'привет', '漢字', '你好，世界。', '「日本」', 'カタカナ');
WORDS.push('😀', '👩‍👩‍👧', '\u2014', '…', '“x”', '€5', '5%', '\u00bd', '२', '\u0085', '\u3000', '\u001c', '\ufeff', '', '\t', '\n', '$', '_', 'a_b');

function text(words = draw(9)): string {
  const spaces = [' ', ' ', ' ', ' ', '', '  ', '\n'];
  return Array.from({ length: words }, () => pick(WORDS) + pick(spaces)).join('');
}

/** A text with some words changed, so that long n-grams match too. */
function like(other: string): string {
  const words = other.split(' ').flatMap((word) => {
    const kind = draw(8);
    return kind === 0 ? [] : kind === 1 ? [pick(WORDS)] : kind === 2 ? [word, word] : [word];
  });
  return words.join(' ');
}

function oneCase(): Case {
  const hypotheses = Array.from({ length: 1 + draw(4) }, () => text(draw(3) === 0 ? draw(30) : undefined));
  const references = hypotheses.map((own) => Array.from({ length: 1 + draw(3) }, () => (draw(4) === 0 ? text() : like(own))));
  return { hypotheses, references };
}

/** The same with every number rounded to the tolerance, so that one comparison shows all differences. */
function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value / TOLERANCE / 10) * TOLERANCE * 10;
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, rounded(one)]));
}

const BLEU_SETTINGS: Readonly<Record<string, BleuOptions>> = {
  '': {},
  lowercase: { lowercase: true },
  effectiveOrder: { effectiveOrder: true },
  intl: { tokenizer: 'intl' },
  zh: { tokenizer: 'zh' },
  char: { tokenizer: 'char' },
  none: { tokenizer: 'none' },
};
const CHRF_SETTINGS: Readonly<Record<string, ChrfOptions>> = { '': {}, lowercase: { lowercase: true }, wordOrder: { wordOrder: 2 } };

describeIf(isThere, 'sacrebleu, rouge_score and torchmetrics are not installed; `npm run test:peers` does it', 'metrics of texts', () => {
  const folder = temporaryFolder();
  const cases = Array.from({ length: CASES }, oneCase);
  let published: readonly Published[] = [];

  beforeAll(() => {
    const [input, output] = [join(folder, 'cases.json'), join(folder, 'scores.json')];
    writeFileSync(input, JSON.stringify(cases));
    const { status, stderr } = spawnSync(PYTHON, [join(__dirname, 'metrics.py'), input, output], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
    published = JSON.parse(readFileSync(output, 'utf8')) as Published[];
  });

  test.each(Object.entries(BLEU_SETTINGS))('corpus BLEU is that of sacrebleu: %s', (name, options) => {
    cases.forEach(({ hypotheses, references }, i) => {
      expect([i, rounded(bleu(hypotheses, references, options))]).toEqual([i, rounded(published[i].bleu[name])]);
    });
  });

  test.each(Object.entries(CHRF_SETTINGS))('corpus chrF is that of sacrebleu: %s', (name, options) => {
    cases.forEach(({ hypotheses, references }, i) => {
      expect([i, rounded(chrf(hypotheses, references, options))]).toEqual([i, rounded(published[i].chrf[name])]);
    });
  });

  test('scores of single texts are those of sacrebleu and rouge-score', () => {
    cases.forEach(({ hypotheses, references }, i) => {
      const own = hypotheses.map((one, k) => ({
        bleu: sentenceBleu(one, references[k]),
        chrf: chrf([one], [references[k]]).score,
        rouge: rouge(one, references[k]),
      }));
      const wanted = published[i].sentences.map((one) => ({ bleu: one.bleu, chrf: one.chrf, rouge: one.rouge }));
      expect([i, rounded(own)]).toEqual([i, rounded(wanted)]);
    });
  });

  test("exact match and F1 of answers are SQuAD's", () => {
    cases.forEach(({ hypotheses, references }, i) => {
      hypotheses.forEach((one, k) => {
        const { exactMatch, f1 } = published[i].sentences[k];
        const own = answerScore(one, references[k]);
        expect([i, k, own.exactMatch]).toEqual([i, k, exactMatch]);
        // torchmetrics computes in float32.
        expect(Math.abs(own.f1 - f1)).toBeLessThan(1e-6);
      });
    });
  });
});
