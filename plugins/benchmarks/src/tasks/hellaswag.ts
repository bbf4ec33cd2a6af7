import { ChoiceTask, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles } from '../data/benchmark-files';
import { pooled } from '../data/pooled';

const rowSchema = z.looseObject({
  ind: z.int(),
  activity_label: z.string(),
  ctx_a: z.string(),
  ctx_b: z.string(),
  endings: z.array(z.string()).length(4),
  /** An integer in the repository's file, a string in the hub's copy. */
  label: z.union([z.int(), z.string().regex(/^[0-3]$/)]).transform(Number),
});
type Row = z.output<typeof rowSchema>;

/** How does the text go on? The benchmark's number is the accuracy per character. */
export class HellaSwag extends ChoiceTask<Row> {
  readonly id = 'hellaswag';
  readonly version = 1;
  readonly description = 'HellaSwag: how a text goes on';
  override readonly metric = 'accuracyPerCharacter';
  override readonly shots = 10;
  override readonly chance = 0.25;

  protected sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['hellaswag'],
      from: 'the repository rowanz/hellaswag, folder data',
    });
    return pooled(
      shots,
      (names) => files.rows(names, rowSchema),
      ['hellaswag_val', 'validation'],
      ['hellaswag_train', 'train', 'pool'],
    );
  }

  protected override idOf({ ind }: Row, index: number): string {
    return `${index}/${ind}`;
  }

  protected question({ activity_label, ctx_a, ctx_b }: Row): string {
    return cleaned(`${activity_label}: ${ctx_a} ${capitalized(ctx_b)}`);
  }

  protected choices({ endings, label }: Row): Choices {
    return { texts: endings.map(cleaned), right: [label] };
  }
}

/**
 * Without the marks of WikiHow's pages.
 *
 *     cleaned('Wash it. [substeps] Dry it. [title] Iron it.')   ->   'Wash it. Dry it.. Iron it.'
 *
 * White space at the ends goes first, so that a space behind a mark at the end stays.
 */
export function cleaned(text: string): string {
  return text
    .trim()
    .replaceAll(' [title]', '. ')
    .replace(/\[.*?\]/g, '')
    .replaceAll('  ', ' ');
}

/** The first character in upper case, all others in lower case: "John Smith" becomes "John smith", as in the original. */
function capitalized(text: string): string {
  const [first = '', ...rest] = text;
  return first.toUpperCase() + rest.join('').toLowerCase();
}
