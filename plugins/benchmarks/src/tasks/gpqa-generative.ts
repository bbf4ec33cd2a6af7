import { GenerationTask, type GenerationAnswer, type RowScore, type TaskRequest, type TaskSet } from '@graft/core';
import { choiceIn } from '../answers/choice-letter';
import { exactMatch, firstMatch } from '../answers/exact-match';
import { GPQA_LETTERS, GPQA_PREAMBLE, gpqaOpening, gpqaQuestion, gpqaSets, type GpqaFile, type GpqaRow } from './gpqa';

const RULES = { ignoreCase: true, ignorePunctuation: true };

/**
 * GPQA's questions, whose choice the model writes. `exactMatch` wants "The answer is (B).", `flexibleMatch` finds the last
 * letter in parentheses, or the text of a choice, or another letter that is the answer.
 */
abstract class WrittenGpqa extends GenerationTask<GpqaRow> {
  readonly version = 2;
  override readonly metric = 'flexibleMatch';
  override readonly chance = 0.25;
  /** What the answer follows. */
  protected abstract readonly ending: string;

  protected abstract readonly file: GpqaFile;

  protected override idOf({ id }: GpqaRow): string {
    return id;
  }

  protected question(row: GpqaRow): string {
    return gpqaQuestion(row, this.ending);
  }

  protected answer(row: GpqaRow): string {
    return ` ${this.target(row)}`;
  }

  protected target({ right }: GpqaRow): string {
    return GPQA_LETTERS[right];
  }

  protected score({ text }: GenerationAnswer, row: GpqaRow): RowScore {
    const target = [this.target(row)];
    // All but the last character of the line, as lm-eval's pattern has it.
    const strict = firstMatch(text, /(?<=The answer is )([^\n]*)(?=[^\n])/g);
    const extracted = choiceIn(text, row.choices);
    return {
      extracted,
      metrics: { exactMatch: exactMatch(strict, target, RULES), flexibleMatch: exactMatch(extracted, target, RULES) },
    };
  }
}

/** lm-eval's `gpqa_*_generative_n_shot`: its words about examples are there without examples too. */
export class GpqaGenerative extends WrittenGpqa {
  readonly description: string;
  override readonly shots: number = 5;
  protected readonly until = ['</s>', 'Question:', '<|im_end|>'];
  protected readonly ending = 'Answer:';
  protected readonly file: GpqaFile;

  constructor(readonly id: 'gpqa-generative' | 'gpqa-diamond-generative') {
    super();
    this.file = id === 'gpqa-generative' ? 'gpqa_main' : 'gpqa_diamond';
    this.description = `GPQA${id === 'gpqa-generative' ? '' : ' Diamond'}: questions of experts, the model writes the letter`;
  }

  protected sets(request: TaskRequest): Promise<readonly TaskSet<GpqaRow>[]> {
    return gpqaSets(this.id, this.file, 'Question: ', request);
  }

  protected override preamble(): string {
    return GPQA_PREAMBLE;
  }
}

/** lm-eval's `gpqa_*_cot_zeroshot`, and with examples its `gpqa_*_cot_n_shot`. */
export class GpqaCot extends WrittenGpqa {
  readonly description: string;
  protected readonly until = ['</s>'];
  protected readonly ending = "Let's think step by step: ";
  protected override readonly maxNewTokens = 2048;
  protected readonly file: GpqaFile;

  constructor(readonly id: 'gpqa-cot' | 'gpqa-diamond-cot') {
    super();
    this.file = id === 'gpqa-cot' ? 'gpqa_main' : 'gpqa_diamond';
    this.description = `GPQA${id === 'gpqa-cot' ? '' : ' Diamond'}: questions of experts, with steps`;
  }

  protected sets(request: TaskRequest): Promise<readonly TaskSet<GpqaRow>[]> {
    return gpqaSets(this.id, this.file, gpqaOpening(request.shots), request);
  }

  protected override preamble(_set: TaskSet<GpqaRow>, shots: number): string {
    return shots === 0 ? '' : GPQA_PREAMBLE;
  }
}
