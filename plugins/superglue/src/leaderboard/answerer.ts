import {
  LikelihoodScorer,
  TextGenerator,
  type EvaluationContext,
  type GenerationRequest,
  type Model,
  type Parameters,
  type Tokenizer,
} from '@graft/core';
import { GraftError, type Engine } from '@graft/engine';
import type { EncodedExample } from '../encode-examples';
import { DivergedError } from '../epochs';
import type { PlacedTextExample, TextResult, TextTask } from '../tasks';
import { encodeAnswer, endToken } from './encode-texts';

/** Examples that are asked together, so that what is prepared for them does not grow with the set. */
const ASKED_TOGETHER = 512;

/** Tokens by which a written noun may be longer than the row's: `the fuzzy bunny` means `bunny`. */
const FURTHER_WORDS = 16;

interface AnswererParts {
  readonly engine: Engine;
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  /** How many sequences the model reads together, and how many of their tokens. */
  readonly limits: { readonly batchSize: number; readonly batchTokens: number };
  /** Whether the model chooses among an example's choices rather than write. */
  readonly chooses: boolean;
}

/** What a set is called in the progress, and who stops it. */
export interface Asked extends Pick<EvaluationContext, 'signal' | 'progress'> {
  /** In the plural: `validation examples`. */
  readonly unit: string;
}

/** Lets one model answer examples, with any of its parameters. `dispose` frees the compiled functions. */
export class Answerer {
  private readonly generator: TextGenerator;
  private readonly scorer: LikelihoodScorer;

  /** Throws GraftError for a model that does not generate, and DataError for one without an end token. */
  constructor(private readonly parts: AnswererParts) {
    const { engine, model, tokenizer } = parts;
    this.generator = new TextGenerator(engine, model, tokenizer, [endToken(model)]);
    this.scorer = new LikelihoodScorer(engine, model);
  }

  /** The answers in the order of the examples. Throws `signal`'s reason when that is aborted. */
  async answer(
    parameters: Parameters,
    task: Pick<TextTask, 'isWritten'>,
    examples: readonly EncodedExample<PlacedTextExample>[],
    { unit, signal, progress }: Asked,
  ): Promise<TextResult[]> {
    const results: TextResult[] = [];
    const chooses = this.parts.chooses && task.isWritten !== true;
    const maxNewTokens = chooses ? 0 : this.longestAnswer(examples) + (task.isWritten === true ? FURTHER_WORDS : 0);
    for (let at = 0; at < examples.length; at += ASKED_TOGETHER) {
      const own = examples.slice(at, at + ASKED_TOGETHER);
      const report = (done: number): void => {
        signal?.throwIfAborted();
        progress?.({ done: at + Math.min(done, own.length), total: examples.length, unit });
      };
      report(0);
      const texts = chooses
        ? await this.choose(parameters, own, report)
        : await this.write(parameters, own, maxNewTokens, report, signal);
      results.push(...own.map(({ example }, i) => ({ example, text: texts[i] })));
    }
    return results;
  }

  dispose(): void {
    this.generator.dispose();
    this.scorer.dispose();
  }

  private async write(
    parameters: Parameters,
    examples: readonly EncodedExample<PlacedTextExample>[],
    maxNewTokens: number,
    report: (done: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<string[]> {
    const requests = examples.map(({ tokens }): GenerationRequest => ({ context: tokens, until: [], maxNewTokens }));
    const texts = Array<string>(examples.length);
    let done = 0;
    for await (const answers of this.generator.write(parameters, requests, this.parts.limits, signal)) {
      for (const { request, answer } of answers) texts[request] = answer.text.trim();
      report((done += answers.length));
    }
    // A generator that is stopped ends early.
    signal?.throwIfAborted();
    return texts;
  }

  private async choose(
    parameters: Parameters,
    examples: readonly EncodedExample<PlacedTextExample>[],
    report: (done: number) => void,
  ): Promise<string[]> {
    const requests = examples.flatMap(({ example, tokens }, i) =>
      example.choices.map((choice) => ({
        at: i,
        choice,
        context: tokens,
        continuation: encodeAnswer(example, choice, this.parts),
      })),
    );
    const best = examples.map(() => ({ logLikelihood: -Infinity, text: '' }));
    const logLikelihoods = new Float64Array(requests.length);
    let done = 0;
    try {
      for await (const scored of this.scorer.score(parameters, requests, this.parts.limits)) {
        for (const { request, answer } of scored) logLikelihoods[request] = answer.logLikelihood;
        done += scored.length;
        report(Math.floor((done / requests.length) * examples.length));
      }
    } catch (error) {
      if (!(error instanceof GraftError) || error.code !== 'task.not-finite') throw error;
      throw new DivergedError('The likelihoods of the answers are not numbers');
    }
    for (const [i, { at, choice }] of requests.entries())
      if (logLikelihoods[i] > best[at].logLikelihood) best[at] = { logLikelihood: logLikelihoods[i], text: choice };
    return best.map(({ text }) => text);
  }

  /** Tokens of the longest answer that an example offers or expects, with its end token: no longer label is right. */
  private longestAnswer(examples: readonly EncodedExample<PlacedTextExample>[]): number {
    const lengths = new Map<string, number>();
    let longest = 1;
    for (const { example } of examples) {
      for (const choice of [...example.choices, ...(example.answers ?? [])]) {
        const length = lengths.get(choice) ?? encodeAnswer(example, choice, this.parts).length;
        lengths.set(choice, length);
        longest = Math.max(longest, length);
      }
    }
    return longest;
  }
}
