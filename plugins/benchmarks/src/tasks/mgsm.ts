import {
  GenerationTask,
  meanScores,
  type GenerationAnswer,
  type RowScore,
  type TaskItem,
  type TaskRequest,
  type TaskSet,
} from '@graft/core';
import { z } from 'zod';
import { exactMatch, firstMatch, lastMatch, type ComparisonRules } from '../answers/exact-match';
import { BenchmarkFiles } from '../data/benchmark-files';
import { ANY_NUMBER } from './gsm8k';

/** The words of a language's prompts, with the flaws that they have in the field's harness. */
interface Words {
  readonly question: string;
  readonly steps: string;
  readonly direct: string;
  /** The sentence with the answer. */
  readonly sentence: RegExp;
}

const NUMBER = '(-?[0-9.,]+)';
const words = (question: string, steps: string, direct: string, before: string, behind = ''): Words => ({
  question,
  steps,
  direct,
  sentence: new RegExp(before + NUMBER + behind, 'g'),
});
const LANGUAGES: Readonly<Record<string, Words>> = {
  bn: words('প্রশ্ন:', 'ধাপে ধাপে উত্তর:', 'Answer:', 'The answer is '),
  de: words('Frage:', 'Schritt-für-Schritt-Antwort:', 'Antwort:', 'Die Antwort lautet '),
  en: words('Question:', 'Step-by-Step Answer:', 'Answer:', 'The answer is '),
  es: words('Pregunta:', 'Respuesta paso a paso:', 'Respuesta:', 'La respuesta es '),
  fr: words('Question :', 'Réponse étape par étape :', 'Réponse :', 'La réponse est '),
  ja: words('問題:', 'ステップごとの答え:', 'Answer:', '答えは', 'です。'),
  ru: words('Задача:', 'Пошаговоерешение:', 'Answer:', 'Ответ — '),
  sw: words('Swali:', 'Jibu la Hatua kwa Hatua:', 'Answer:', 'Jibu ni '),
  te: words('ప్రశ్న:', 'దశలవారీగా సమాధానం:', 'Answer:', 'సమాధానం '),
  th: words('โจทย์:', 'คำตอบทีละขั้นตอน:', 'Answer:', 'คำตอบคือ '),
  zh: words('问题：', '逐步解答:', 'Answer:', '答案是 ', '。'),
};

const lineSchema = z.string().regex(/^[^\t]+\t[^\t]+$/, 'expected a question, a tab and a number');
/** Also has languages by their codes. */
const exemplarsSchema = z.looseObject({ number_answers: z.array(z.number()) });
const exemplarsOfSchema = z.record(z.string(), z.object({ q: z.string(), a: z.string() }));

interface Row {
  readonly words: Words;
  /** With the question's word. */
  readonly question: string;
  readonly answer: string;
  readonly steps?: string;
}

const RULES: ComparisonRules = { ignoreCase: true, ignorePunctuation: true };

/**
 * GSM8K in ten languages and English; the mean is that of the languages. `mgsm` shows steps, `mgsm-direct` numbers alone.
 * `flexibleMatch`: the last number of the text, which counts for `mgsm`, because its examples end in another sentence than
 * the one that `exactMatch` looks for. Signs are ignored: "3.5" is "35".
 */
export class Mgsm extends GenerationTask<Row> {
  readonly version = 1;
  readonly description: string;
  override readonly metric: string;
  override readonly shots: number = 8;
  protected readonly until: readonly string[] = [];
  protected override readonly maxNewTokens: number;

  constructor(readonly id: 'mgsm' | 'mgsm-direct') {
    super();
    const isDirect = id === 'mgsm-direct';
    this.description = `MGSM: word problems in eleven languages${isDirect ? ', without steps' : ', with steps'}`;
    this.metric = isDirect ? 'exactMatch' : 'flexibleMatch';
    this.maxNewTokens = isDirect ? 32 : 512;
  }

  protected async sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['mgsm'],
      from: 'the repository google-research/url-nlp, folder mgsm; exemplars.json is the table of its exemplars.py',
    });
    const exemplars = shots === 0 ? undefined : await files.value(['exemplars.json'], exemplarsSchema);
    const sets: TaskSet<Row>[] = [];
    for (const { name, file } of files.sets(/^mgsm_([a-z]{2})\.tsv$/)) {
      const own = LANGUAGES[name] as Words | undefined;
      if (!own) continue;
      const { rows, file: path } = await files.lines([file]);
      const numbers = exemplars?.number_answers ?? [];
      const ownSchema = exemplarsOfSchema.refine((all) => Object.keys(all).length <= numbers.length, {
        message: 'expected a number in number_answers for each example',
      });
      const shown = Object.values(files.checked(ownSchema, exemplars?.[name] ?? {}, `exemplars.json, ${name}`));
      sets.push({
        name,
        poolName: `exemplars.json (${name})`,
        rows: rows.map((line, i) => {
          const [question, answer] = files.checked(lineSchema, line, `${path}:${i + 1}`).split('\t');
          return { words: own, question: `${own.question} ${question}`, answer };
        }),
        pool: shown.map(({ q, a }, i) => ({
          words: own,
          question: q,
          answer: String(numbers[i]),
          // The harness cuts the words in front of the steps by their number of characters, which is not always right.
          steps: a.slice(own.steps.length + 1),
        })),
      });
    }
    return sets;
  }

  protected question({ words: { steps, direct }, question }: Row): string {
    return `${question}\n${this.id === 'mgsm' ? steps : direct}`;
  }

  protected answer({ steps, answer }: Row): string {
    return this.id === 'mgsm' ? ` ${steps}` : answer;
  }

  protected target({ answer }: Row): string {
    return answer;
  }

  protected override stopsOf({ rows }: TaskSet<Row>): readonly string[] {
    return [rows[0].words.question, '</s>', '<|im_end|>'];
  }

  protected score({ text }: GenerationAnswer, { words: { sentence }, answer }: Row): RowScore {
    const extracted = this.id === 'mgsm' ? firstMatch(text, sentence) : text.trim();
    return {
      extracted,
      metrics: {
        exactMatch: exactMatch(extracted, [answer], RULES),
        flexibleMatch: exactMatch(lastMatch(text, ANY_NUMBER), [answer], RULES),
      },
    };
  }

  override aggregate(scores: readonly RowScore[], items: readonly TaskItem[]): Record<string, number> {
    return meanScores([...groups(scores, items).values()].map((own) => ({ metrics: meanScores(own) })));
  }
}

function groups(scores: readonly RowScore[], items: readonly TaskItem[]): Map<string, RowScore[]> {
  const bySet = new Map<string, RowScore[]>();
  for (const [i, { set = '' }] of items.entries()) bySet.set(set, [...(bySet.get(set) ?? []), scores[i]]);
  return bySet;
}
