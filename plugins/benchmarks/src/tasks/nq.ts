import { GenerationTask, type GenerationAnswer, type RowScore, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { exactMatch, type ComparisonRules } from '../answers/exact-match';
import { BenchmarkFiles } from '../data/benchmark-files';
import { pooled } from '../data/pooled';

const rowSchema = z.looseObject({ question: z.string(), answer: z.array(z.string()).min(1) });
type Row = z.output<typeof rowSchema>;

/** Articles count nowhere, not only in front. */
const RULES: ComparisonRules = {
  without: [/\b(?:The |the |An |A |The |a |an )/g],
  ignoreCase: true,
  ignorePunctuation: true,
};

/** Questions that people asked a search engine. The stops cut answers with a comma or a full stop, such as dates. */
export class NaturalQuestions extends GenerationTask<Row> {
  readonly id = 'nq';
  readonly version = 1;
  readonly description = 'NQ: questions of people, short answers';
  override readonly shots = 5;
  protected override readonly separator = '\n';
  protected readonly until = ['\n', '.', ','];
  protected override readonly maxNewTokens = 64;

  protected sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['nq', 'nq_open'],
      from: 'the repository google-research-datasets/natural-questions, folder nq_open',
    });
    return pooled(
      shots,
      (names) => files.rows(names, rowSchema),
      ['NQ-open.dev.jsonl', 'NQ-open.efficientqa.dev.1.1.jsonl', 'validation'],
      ['NQ-open.train.jsonl', 'train', 'pool'],
    );
  }

  protected override preamble(): string {
    return 'Answer these questions:\n\n';
  }

  protected question({ question }: Row): string {
    return `Q: ${question}?\nA:`;
  }

  protected answer({ answer }: Row): string {
    return ` ${answer[0]}`;
  }

  protected target({ answer }: Row): readonly string[] {
    return answer;
  }

  protected score({ text }: GenerationAnswer, { answer }: Row): RowScore {
    const extracted = text.trim();
    return { extracted, metrics: { exactMatch: exactMatch(extracted, answer, RULES) } };
  }
}
