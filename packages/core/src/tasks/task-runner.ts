import { GraftError, type Engine } from '@graft/engine';
import type {
  ChoiceItem,
  EvaluationProgress,
  GenerationAnswer,
  LikelihoodAnswer,
  Model,
  Parameters,
  RowScore,
  Task,
  TaskItem,
  TaskRequest,
  Tokenizer,
} from '../interfaces';
import type { Answer, AnswerStore } from './answer-store';
import { encodePrompt, encodeRequest, encodeTurn, type EncodedRequest, type Turns } from './encode-request';
import { LikelihoodScorer } from './likelihood-scorer';
import { meanScores } from './mean-scores';
import { digestOfJson } from './model-digest';
import type { BatchLimits } from './passes';
import { TextGenerator, type GenerationRequest } from './text-generator';

/** What asks and answers: a model, its tokenizer, and how much it reads together. */
export interface TaskRunnerParts {
  readonly engine: Engine;
  readonly model: Model;
  readonly parameters: Parameters;
  /** Of both sides (`sidesOf`). */
  readonly tokenizer: Tokenizer;
  readonly limits: BatchLimits;
  /** Default: prompts are plain text, which the model continues. */
  readonly turns?: Turns;
}

/** How a task is run. */
export interface TaskRun extends TaskRequest {
  /** Where answers are looked up and kept. */
  readonly answers: AnswerStore;
  readonly signal?: AbortSignal;
  readonly progress?: (progress: EvaluationProgress) => void;
}

/** One row of a task with the model's answer: a line of `records/<task>.jsonl`. */
export interface TaskRecord {
  readonly id: string;
  readonly set?: string;
  /** What the model read; several where each choice has its own. */
  readonly prompt: string | readonly string[];
  readonly choices?: readonly string[];
  readonly logLikelihoods?: readonly number[];
  readonly output?: string;
  readonly extracted?: string;
  readonly target: string | readonly string[];
  /** The metric that counts, of this row. */
  readonly correct?: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** The numbers of a task, and what they are made of. */
export interface TaskResult {
  readonly metrics: Readonly<Record<string, number>>;
  readonly records: readonly TaskRecord[];
  /** Digest of the task's version and of everything that the model was asked, hexadecimal. */
  readonly digest: string;
  /** Requests that are longer than the model was trained for (`Model.maxPositions`). They were read whole. */
  readonly overlong: number;
  /** Requests that were answered now, and those whose answers were known. */
  readonly asked: number;
  readonly known: number;
}

type Request = ({ readonly kind: 'choices' } & EncodedRequest) | ({ readonly kind: 'generation' } & GenerationRequest);

/**
 * Runs tasks with one model. Equal requests are answered once, and known answers are taken from the store. Results do
 * not depend on the batch size, on padding, or on the order of the rows. `dispose` frees the compiled functions.
 */
export class TaskRunner {
  private scorer: LikelihoodScorer | undefined;
  private generator: TextGenerator | undefined;

  constructor(private readonly parts: TaskRunnerParts) {}

  /**
   * Asks the model every row and scores its answers. Throws what the task throws for its files, and the signal's reason
   * when it is aborted: answers of finished batches are kept.
   */
  async run(task: Task, run: TaskRun): Promise<TaskResult> {
    const items = await task.items(run);
    const requests = items.map((item) => this.requestsOf(item));
    const all = requests.flat();
    const digest = digestOfJson([task.id, task.version, items.map(plain)]);
    const open = new Map<string, Request>();
    let known = 0;
    for (const request of all) {
      const key = keyOf(request);
      if (run.answers.find(key)) known++;
      else open.set(key, request);
    }
    await this.answer(open, all.length, known, run);
    const answersOf = (own: readonly Request[]): Answer[] => own.map((one) => run.answers.find(keyOf(one))!);
    const scores: RowScore[] = [];
    const records: TaskRecord[] = [];
    for (const [i, item] of items.entries()) {
      const answers = answersOf(requests[i]);
      const score =
        item.kind === 'choices'
          ? item.score(answers as LikelihoodAnswer[])
          : await item.score(answers[0] as GenerationAnswer);
      scores.push(score);
      records.push(recordOf(task, item, answers, score));
    }
    const metrics = task.aggregate?.(scores, items) ?? meanScores(scores);
    if (typeof metrics[task.metric] !== 'number')
      throw new GraftError(
        `Task "${task.id}" made no "${task.metric}", its own metric; it made ${Object.keys(metrics).join(', ') || 'nothing'}.`,
        { code: 'task.metric' },
      );
    const overlong = all.filter((request) => isOverlong(this.parts.model, request)).length;
    return { metrics, records, digest, overlong, asked: open.size, known };
  }

  private requestsOf(item: TaskItem): Request[] {
    const { model, tokenizer, turns } = this.parts;
    if (item.kind === 'generation') {
      const { prompt, maxNewTokens } = item;
      const context = encodePrompt(model, tokenizer, turns ? turns.textOf(prompt) : prompt);
      const until = turns?.endText === undefined ? item.until : [...item.until, turns.endText];
      return [{ kind: 'generation', context, until, maxNewTokens }];
    }
    const { prompts, continuations } = item;
    return Array.from({ length: Math.max(prompts.length, continuations.length) }, (_, i) => {
      const [prompt, continuation] = [prompts[i] ?? prompts[0], continuations[i] ?? continuations[0]];
      const encoded = turns
        ? encodeTurn(model, tokenizer, turns, { prompt, continuation })
        : encodeRequest(model, tokenizer, prompt, continuation);
      return { kind: 'choices', ...encoded };
    });
  }

  /** Answers what is open, batch by batch. */
  private async answer(open: ReadonlyMap<string, Request>, total: number, known: number, run: TaskRun): Promise<void> {
    const { parameters, limits } = this.parts;
    const { signal, progress, answers } = run;
    let done = total - open.size;
    progress?.({ done, total, unit: 'requests' });
    const entries = [...open];
    const likelihoods = entries.filter((entry): entry is [string, Request & { kind: 'choices' }] => {
      return entry[1].kind === 'choices';
    });
    const generations = entries.filter((entry): entry is [string, Request & { kind: 'generation' }] => {
      return entry[1].kind === 'generation';
    });
    const keep = async (
      keys: readonly (readonly [string, Request])[],
      found: readonly { readonly request: number; readonly answer: Answer }[],
    ): Promise<void> => {
      await answers.keep(new Map(found.map(({ request, answer }) => [keys[request][0], answer])));
      done += found.length;
      progress?.({ done, total, unit: 'requests' });
      signal?.throwIfAborted();
    };
    signal?.throwIfAborted();
    if (likelihoods.length > 0) {
      this.scorer ??= new LikelihoodScorer(this.parts.engine, this.parts.model);
      const requests = likelihoods.map(([, request]) => request);
      for await (const found of this.scorer.score(parameters, requests, limits)) await keep(likelihoods, found);
    }
    if (generations.length > 0) {
      const { engine, model, tokenizer, turns } = this.parts;
      this.generator ??= new TextGenerator(engine, model, tokenizer, turns?.endTokens);
      const requests = generations.map(([, request]) => request);
      for await (const found of this.generator.write(parameters, requests, limits, signal))
        await keep(generations, found);
      signal?.throwIfAborted();
    }
  }

  dispose(): void {
    this.scorer?.dispose();
    this.generator?.dispose();
  }
}

/** Whether a side reads more tokens than it was trained for, what it writes left aside. */
function isOverlong({ kind, maxPositions }: Model, request: Request): boolean {
  const { encoder = Infinity, decoder = Infinity } = maxPositions ?? {};
  const continuation = request.kind === 'choices' ? request.continuation.length : 0;
  if (kind === 'decoder-only') return request.context.length + continuation > decoder;
  return request.context.length > encoder || continuation > decoder;
}

/** By the tokens that the model reads: two prompts with the same tokens have the same answer. */
function keyOf(request: Request): string {
  if (request.kind === 'choices') return digestOfJson(['choices', [...request.context], [...request.continuation]]);
  return digestOfJson(['generation', [...request.context], request.until, request.maxNewTokens]);
}

/** What an item asks. */
function plain(item: TaskItem): unknown {
  return item.kind === 'choices' ? [item.prompts, item.continuations] : [item.prompt, item.until, item.maxNewTokens];
}

function recordOf(task: Task, item: TaskItem, answers: readonly Answer[], score: RowScore): TaskRecord {
  const { id, set, target } = item;
  const { metrics, extracted } = score;
  const facts = { id, ...(set === undefined ? {} : { set }) };
  const scored = { target, correct: metrics[task.metric], metrics };
  if (item.kind === 'generation')
    return {
      ...facts,
      prompt: item.prompt,
      output: (answers[0] as GenerationAnswer).text,
      ...(extracted === undefined ? {} : { extracted }),
      ...scored,
    };
  return {
    ...facts,
    prompt: promptOf(item),
    choices: item.continuations,
    logLikelihoods: answers.map((answer) => (answer as LikelihoodAnswer).logLikelihood),
    ...scored,
  };
}

const promptOf = ({ prompts }: ChoiceItem): string | readonly string[] => (prompts.length === 1 ? prompts[0] : prompts);
