import {
  DataError,
  GenerationTask,
  meanScores,
  type GenerationAnswer,
  type RowScore,
  type TaskItem,
  type TaskRequest,
  type TaskSet,
} from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles } from '../data/benchmark-files';
import { bleu } from '../metrics/bleu';
import type { BleuTokenizer } from '../metrics/bleu-tokenizers';
import { chrf } from '../metrics/chrf';

const LANGUAGES: Readonly<Record<string, string>> = {
  cs: 'Czech',
  de: 'German',
  en: 'English',
  he: 'Hebrew',
  ja: 'Japanese',
  ru: 'Russian',
  uk: 'Ukrainian',
  zh: 'Chinese',
};
/** Of languages without spaces between words; Japanese is split into characters. */
const TOKENIZERS: Readonly<Record<string, BleuTokenizer>> = { zh: 'zh', ja: 'char' };

const shotsSchema = z.array(z.looseObject({ source: z.string(), target: z.string() }));
interface Row {
  readonly source: string;
  readonly references: readonly string[];
  /** Names of the two languages. */
  readonly from: string;
  readonly into: string;
  /** The language of the translation: `de`. */
  readonly target: string;
}

/**
 * Translations of the general test set. The numbers are those of whole pairs of languages, from 0 to 100, and their mean
 * over the pairs; `chrf` counts. The paper does not say which pairs and which metric it means.
 */
export class Wmt23 extends GenerationTask<Row> {
  readonly id = 'wmt23';
  readonly version = 1;
  readonly description = 'WMT23: translations, chrF and BLEU';
  override readonly metric = 'chrf';
  override readonly shots = 5;
  protected readonly until = ['\n'];
  protected override readonly maxNewTokens = 512;

  protected async sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['wmt23', 'wmt23/txt'],
      from: "the repository wmt-conference/wmt23-news-systems, folder txt; the examples are the organisers' own, shots/shots.PAIR.json",
    });
    const sets: TaskSet<Row>[] = [];
    for (const { name, file } of files.sets(/^generaltest2023\.([a-z]{2}-[a-z]{2})\.src\.[a-z]{2}$/, 'sources')) {
      const [source, target] = name.split('-');
      const facts = { from: LANGUAGES[source] ?? source, into: LANGUAGES[target] ?? target, target };
      const { rows, file: path } = await files.lines([file]);
      const references = await this.references(files, name, rows.length, path);
      const shotsFile = `shots/shots.${name}.json`;
      const shown = shots === 0 ? [] : await files.value([shotsFile], shotsSchema);
      sets.push({
        name,
        rows: rows.map((line, i) => ({ ...facts, source: line, references: references.map((own) => own[i]) })),
        pool: shown.map((one) => ({ ...facts, source: one.source, references: [one.target] })),
        poolName: shotsFile,
      });
    }
    return sets;
  }

  /** Line by line, as the sources; a pair may have several. */
  private async references(
    files: BenchmarkFiles,
    pair: string,
    count: number,
    source: string,
  ): Promise<readonly (readonly string[])[]> {
    const found = files.sets(new RegExp(`^generaltest2023\\.${pair}\\.ref\\.(ref[A-Z])\\.[a-z]{2}$`), 'references');
    const all: (readonly string[])[] = [];
    for (const { file } of found) {
      const { rows, file: path } = await files.lines([file]);
      if (rows.length !== count)
        throw new DataError(`${path} has ${rows.length} lines, but ${source} has ${count}.`, {
          code: 'benchmarks.labels',
          hint: 'Both files should be of the same test set.',
        });
      all.push(rows);
    }
    return all;
  }

  protected question({ from, into, source }: Row): string {
    return `${from} phrase: ${source}\n${into} phrase:`;
  }

  protected answer({ references }: Row): string {
    return ` ${references[0]}`;
  }

  protected target({ references }: Row): readonly string[] {
    return references;
  }

  protected score({ text }: GenerationAnswer, { references, target }: Row): RowScore {
    const extracted = text.trim();
    return { extracted, metrics: corpusScores([extracted], [references], target) };
  }

  /** Sums of n-grams over each pair, not means of its sentences. */
  override aggregate(scores: readonly RowScore[], items: readonly TaskItem[]): Record<string, number> {
    const pairs = [...new Set(items.map(({ set }) => set!))];
    const metrics = pairs.map((pair) => {
      const own = [...items.keys()].filter((i) => items[i].set === pair);
      const hypotheses = own.map((i) => scores[i].extracted!);
      const references = own.map((i) => items[i].target as readonly string[]);
      return { metrics: corpusScores(hypotheses, references, pair.slice(-2)) };
    });
    return meanScores(metrics);
  }
}

function corpusScores(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  target: string,
): Record<string, number> {
  return {
    chrf: chrf(hypotheses, references).score,
    bleu: bleu(hypotheses, references, { tokenizer: TOKENIZERS[target] ?? '13a' }).score,
  };
}
