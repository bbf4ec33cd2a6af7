import type { Engine } from '@graft/engine';
import { sidesOf } from '../data/side-text';
import type { GenerationAnswer, Model, Parameters, Tokenizer } from '../interfaces';
import { Generator } from '../models/generate/generate';
import { generationOf } from '../models/generate/generation-defaults';
import { padRows, rowsTogether, type BatchLimits } from './passes';

/** A prompt as the model reads it, and when its answer ends. */
export interface GenerationRequest {
  readonly context: Int32Array;
  /** The text ends in front of the first of these. */
  readonly until: readonly string[];
  /** Tokens, at most. */
  readonly maxNewTokens: number;
}

/** The answer to one of the requests. */
export interface GeneratedRequest {
  /** Its place among the requests. */
  readonly request: number;
  readonly answer: GenerationAnswer;
}

/** Tokens that may stand for the stop string's last character, besides one for each of its bytes. */
const SPARE_TOKENS = 4;

/**
 * Writes answers greedily, up to a stop string. Stop strings are looked for in the decoded text: one may begin or end
 * inside a token. `dispose` frees the compiled functions.
 */
export class TextGenerator {
  private readonly generator: Generator;
  private readonly tokenizer: Tokenizer;

  /** Throws GraftError for a model that does not generate. */
  constructor(
    engine: Engine,
    private readonly model: Model,
    tokenizer: Tokenizer,
    /** End answers, besides the model's own end tokens. */
    private readonly endTokens: readonly number[] = [],
  ) {
    this.generator = new Generator(engine, model);
    this.tokenizer = sidesOf(tokenizer).decoder;
  }

  /** Answers requests batch by batch: the longest prompts first. */
  async *write(
    parameters: Parameters,
    requests: readonly GenerationRequest[],
    limits: BatchLimits,
    signal?: AbortSignal,
  ): AsyncGenerator<readonly GeneratedRequest[], undefined> {
    for (const batch of batchesOf(requests, limits)) {
      const answers = await this.writeBatch(
        parameters,
        batch.map((at) => requests[at]),
        signal,
      );
      // What a signal stopped is not an answer.
      if (signal?.aborted) return undefined;
      yield answers.map((answer, i) => ({ request: batch[i], answer }));
    }
    return undefined;
  }

  private async writeBatch(
    parameters: Parameters,
    batch: readonly GenerationRequest[],
    signal: AbortSignal | undefined,
  ): Promise<GenerationAnswer[]> {
    const { model, tokenizer } = this;
    const { ids, mask } = padRows(
      batch.map(({ context }) => context),
      1,
      (model.encoderTokens ?? model).specialTokens.pad,
    );
    const written: (readonly number[])[] = batch.map(() => []);
    const tails = batch.map(({ until }) => Math.max(0, ...until.map((stop) => Buffer.byteLength(stop))) + SPARE_TOKENS);
    await this.generator.generate(parameters, {
      fields: { input_ids: ids, attention_mask: mask },
      maxNewTokens: batch[0].maxNewTokens,
      // The checkpoint's penalty would make it another model than the one that is measured.
      sampling: { sample: false, repetitionPenalty: 1 },
      eos: [...new Set([...generationOf(model).eos, ...this.endTokens])],
      shouldStop: (tokens, row) => {
        written[row] = tokens;
        const tail = tokenizer.decode(tokens.slice(-tails[row]));
        return batch[row].until.some((stop) => tail.includes(stop));
      },
      signal,
    });
    return written.map((tokens, row) => {
      const whole = tokenizer.decode(tokens);
      const text = cutAtStop(whole, batch[row].until);
      // An end token is not among the tokens.
      const ended = text.length < whole.length || tokens.length < batch[row].maxNewTokens;
      return { text, tokens: tokens.length, ended };
    });
  }

  dispose(): void {
    this.generator.dispose();
  }
}

/** Places of requests with the same limit, those with the longest prompts first. */
function batchesOf(requests: readonly GenerationRequest[], limits: BatchLimits): number[][] {
  const order = [...requests.keys()].sort(
    (a, b) =>
      requests[b].maxNewTokens - requests[a].maxNewTokens || requests[b].context.length - requests[a].context.length,
  );
  const batches: number[][] = [];
  const fits = (batch: readonly number[], maxNewTokens: number): boolean => {
    // The first one has the longest prompt.
    const first = requests[batch[0]];
    const rows = rowsTogether(limits, first.context.length + maxNewTokens);
    return batch.length < rows && first.maxNewTokens === maxNewTokens;
  };
  for (const at of order) {
    const last = batches.at(-1);
    if (last && fits(last, requests[at].maxNewTokens)) last.push(at);
    else batches.push([at]);
  }
  return batches;
}

/**
 * The text in front of the first stop string.
 *
 *     cutAtStop('4 apples.\nQ: How', ['Q:', '\n'])   ->   '4 apples.'
 */
export function cutAtStop(text: string, until: readonly string[]): string {
  const places = until.filter((stop) => stop !== '').map((stop) => text.indexOf(stop));
  const first = Math.min(...places.filter((place) => place >= 0));
  return first === Infinity ? text : text.slice(0, first);
}
