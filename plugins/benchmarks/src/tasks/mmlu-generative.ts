import { GenerationTask, type GenerationAnswer, type RowScore, type TaskRequest, type TaskSet } from '@graft/core';
import { letterIn } from '../answers/choice-letter';
import { exactMatch } from '../answers/exact-match';
import { MMLU_LETTERS, mmluPreamble, mmluQuestion, mmluSets, type MmluRow } from './mmlu';

/**
 * MMLU's questions, whose letter the model writes: lm-eval's `mmlu_generative`. `exactMatch` compares the line that it
 * writes, and `flexibleMatch` the letter in it, because tuned models write "The answer is B." too.
 */
export class MmluGenerative extends GenerationTask<MmluRow> {
  readonly id = 'mmlu-generative';
  readonly version = 2;
  override readonly metric = 'flexibleMatch';
  readonly description = 'MMLU: 57 subjects, the model writes the letter';
  override readonly shots = 5;
  override readonly chance = 0.25;
  protected readonly until = ['</s>', '\n'];

  protected sets(request: TaskRequest): Promise<readonly TaskSet<MmluRow>[]> {
    return mmluSets(this.id, request);
  }

  protected override preamble(set: TaskSet<MmluRow>): string {
    return mmluPreamble(set);
  }

  protected answer(row: MmluRow): string {
    return ` ${this.target(row)}`;
  }

  protected target({ right }: MmluRow): string {
    return MMLU_LETTERS[right];
  }

  protected question(row: MmluRow): string {
    return mmluQuestion(row);
  }

  protected score({ text }: GenerationAnswer, row: MmluRow): RowScore {
    const target = this.target(row);
    const extracted = letterIn(text.trim());
    const rules = { ignoreCase: true, ignorePunctuation: true };
    return {
      extracted,
      metrics: {
        exactMatch: exactMatch(text.trim(), [target], rules),
        flexibleMatch: Number(extracted === target),
      },
    };
  }
}
