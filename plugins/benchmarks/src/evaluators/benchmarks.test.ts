import { createRandom, silentLogger, type RunInfo } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { tinyGemma, tinyParameters } from '@graft/gemma/test-support/tiny-gemma';
import { temporaryFolder } from '@graft/test-support';
import { conformance, createComponent } from '@graft/testing';
import { BytesTokenizer, ChatFormat, GEMMA_MARKERS, plugin as text } from '@graft/text';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plugin } from '../plugin';
import { TASKS } from '../tasks';
import { BenchmarksEvaluator, type BenchmarksOptions } from './benchmarks';

const piqa = Array.from({ length: 5 }, (_, i) => ({
  goal: 'g'.repeat(1 + 3 * i),
  sol1: `a${'x'.repeat(i)}`,
  sol2: `b${'y'.repeat(2 * i)}`,
  label: i % 2,
}));
const nq = Array.from({ length: 2 }, (_, i) => ({ question: `how many ${'n'.repeat(i)}`, answer: [String(i)] }));

/** The folder of two benchmarks; `reversed`: their rows stand in another order. */
function benchmarks({ reversed = false } = {}): string {
  const folder = temporaryFolder();
  for (const [name, rows] of Object.entries({ 'piqa/valid.jsonl': piqa, 'nq/NQ-open.dev.jsonl': nq })) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    const ordered = reversed ? [...rows].reverse() : rows;
    writeFileSync(join(folder, name), ordered.map((row) => JSON.stringify(row)).join('\n'));
  }
  return folder;
}

const data = benchmarks();
const model = tinyGemma({ vocabularySize: 259 });
const parameters = () => tinyParameters(model);

interface Outcome {
  readonly numbers: Record<string, number>;
  readonly records: Record<string, Record<string, unknown>[]>;
  readonly log: string[];
  readonly warnings: string[];
}

/** Evaluates with 0 examples and 4 rows together, unless the options say otherwise. */
async function evaluate(
  engine: Engine,
  options: Partial<BenchmarksOptions> = {},
  {
    of = model,
    own = tinyParameters(of),
    signal,
    onRequests,
  }: {
    of?: typeof model;
    own?: ReturnType<typeof tinyParameters>;
    signal?: AbortSignal;
    onRequests?: (done: number) => void;
  } = {},
): Promise<Outcome> {
  const log: string[] = [];
  const warnings: string[] = [];
  const tokenizer = new BytesTokenizer();
  const format = ChatFormat.ofMarkers(GEMMA_MARKERS, tokenizer);
  const formats = options.chat ? { encoder: format, decoder: format } : undefined;
  const logger = {
    ...silentLogger(),
    info: (line: string) => void log.push(line),
    warn: (line: string) => void warnings.push(line),
  };
  const folder = temporaryFolder();
  const evaluator = new BenchmarksEvaluator(
    { engine, tokenizer, logger, tasks: TASKS, formats, run: { folder } as RunInfo },
    { data, tasks: ['piqa', 'nq'], shots: 0, batchSize: 4, answers: temporaryFolder(), ...options },
  );
  try {
    const numbers = await evaluator.evaluate({
      model: of,
      parameters: own,
      step: 7,
      random: createRandom(0),
      signal,
      progress: ({ done }) => onRequests?.(done),
    });
    const place = join(folder, 'records');
    const records = Object.fromEntries(
      readdirSync(place).map((name) => [
        name,
        readFileSync(join(place, name), 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Record<string, unknown>),
      ]),
    );
    return { numbers, records, log, warnings };
  } finally {
    tf.dispose(own);
  }
}

/** What does not depend on the order of the rows. */
const sorted = ({ numbers, records }: Outcome): object => ({
  numbers,
  rows: Object.values(records)
    .flat()
    .map(({ prompt, output, logLikelihoods }) =>
      JSON.stringify([prompt, output, (logLikelihoods as number[] | undefined)?.map((sum) => sum.toFixed(3))]),
    )
    .sort(),
});

describe('the evaluator benchmarks', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  test.each(['encoder-decoder', 'decoder-only'] as const)(
    'a model that is %s has the same numbers whatever the batch size and the order of the rows',
    async (kind) => {
      const side = { layers: 2, hidden: 12, feedForward: 16, heads: 2, keyValueHeads: 1, headDim: 6, slidingWindow: 5 };
      const of = tinyGemma({ vocabularySize: 259, kind, decoder: side });
      const once = await evaluate(engine, { batchSize: 16 }, { of });
      expect(once.numbers).toMatchObject({ 'piqa/rows': 5, 'piqa/shots': 0, 'nq/rows': 2 });
      const options = { batchSize: 3, batchTokens: 100, data: benchmarks({ reversed: true }) };
      expect(sorted(await evaluate(engine, options, { of }))).toEqual(sorted(once));
    },
  );

  test('the records have each row with its prompt, the answer and the right one', async () => {
    const { records } = await evaluate(engine, { limit: 1 });
    expect(records['piqa.jsonl']).toEqual([
      {
        id: '0',
        prompt: 'Question: g\nAnswer:',
        choices: [' a', ' b'],
        logLikelihoods: [expect.any(Number), expect.any(Number)],
        target: ['a'],
        correct: expect.any(Number),
        metrics: {
          accuracy: expect.any(Number),
          accuracyPerCharacter: expect.any(Number),
          accuracyPerByte: expect.any(Number),
        },
        shots: 0,
        step: 7,
      },
    ]);
    expect(records['nq.jsonl']).toMatchObject([
      { prompt: 'Answer these questions:\n\nQ: how many ?\nA:', output: expect.any(String), target: ['0'], correct: 0 },
    ]);
  });

  test('with chat, prompts are turns: the model reads other tokens, the records have the same prompts', async () => {
    const plain = await evaluate(engine, { limit: 1 });
    const asTurns = await evaluate(engine, { limit: 1, chat: true });
    expect(asTurns.log[0]).toBe("Prompts are turns of the user, by Gemma's markup.");
    const [before] = plain.records['piqa.jsonl'];
    const [after] = asTurns.records['piqa.jsonl'];
    expect(after).toMatchObject({ prompt: before.prompt, choices: before.choices });
    expect(after.logLikelihoods).not.toEqual(before.logLikelihoods);
    expect(asTurns.numbers['nq/rows']).toBe(1);
  });

  test('an evaluation that was stopped goes on where it was, and a repeated one asks nothing', async () => {
    const answers = temporaryFolder();
    const stop = new AbortController();
    const stopped = evaluate(
      engine,
      { answers },
      { signal: stop.signal, onRequests: (done) => done >= 4 && stop.abort(new Error('stopped')) },
    );
    await expect(stopped).rejects.toThrow('stopped');
    // A process that is killed leaves the beginning of a line.
    const [digest] = readdirSync(answers);
    writeFileSync(join(answers, digest, 'piqa-v1.jsonl'), '{"key":"12', { flag: 'a' });
    const resumed = await evaluate(engine, { answers });
    expect(resumed.log[0]).toMatch(
      /^piqa \(version 1, 0 shots, 5 rows\): accuracy .*; asked 6 requests, 4 requests answered before;/,
    );
    const repeated = await evaluate(engine, { answers });
    expect(repeated.log[0]).toMatch(/asked 0 requests, 10 requests answered before/);
    expect(repeated.log[1]).toMatch(/asked 0 requests, 2 requests answered before/);
    expect(repeated.numbers).toEqual(resumed.numbers);
    // Another model is asked everything.
    const other = await evaluate(engine, { answers, tasks: ['piqa'] }, { of: tinyGemma({ vocabularySize: 260 }) });
    expect(other.log[0]).toMatch(/asked 10 requests;/);
  });

  test('prompts beyond the positions of the model and rows with one id are reported, and asked as they are', async () => {
    const side = { layers: 1, hidden: 12, feedForward: 16, heads: 2, headDim: 6, slidingWindow: 5, maxPositions: 30 };
    const of = tinyGemma({ vocabularySize: 259, encoder: side, decoder: side });
    const folder = temporaryFolder();
    const row = {
      id: 'q1',
      question: 'Which is hot?',
      choices: { text: ['ice', 'fire'], label: ['A', 'B'] },
      answerKey: 'B',
    };
    mkdirSync(join(folder, 'ARC-Easy'));
    writeFileSync(
      join(folder, 'ARC-Easy', 'test.jsonl'),
      `${JSON.stringify(row)}\n${JSON.stringify({ ...row, question: 'Hot?' })}\n`,
    );
    const { numbers, warnings } = await evaluate(engine, { data: folder, tasks: ['arc-easy'] }, { of });
    expect(numbers['arc-easy/rows']).toBe(2);
    expect(warnings).toEqual([
      'arc-easy: several rows have the id "q1"; their records have it too.',
      'arc-easy: 2 of 4 requests are longer than the model was trained for, 30 (encoder), 30 (decoder) tokens; they are read whole.',
    ]);
  });

  test('a model whose numbers are not finite has no score', async () => {
    const own = tinyParameters(model);
    const [name] = Object.keys(own);
    const damaged = tf.mul(own[name], NaN);
    own[name].dispose();
    await expect(evaluate(engine, { tasks: ['piqa'] }, { own: { ...own, [name]: damaged } })).rejects.toThrow(
      /^The model's log-likelihoods are not finite: token \d+ has NaN\.$/,
    );
  });

  test('unknown tasks are named with the nearest, and files are looked for before anything is asked', async () => {
    await expect(evaluate(engine, { tasks: ['piqua'] })).rejects.toThrow(
      /There is no task "piqua".*did you mean "piqa"\?/,
    );
    const answers = temporaryFolder();
    await expect(evaluate(engine, { answers, tasks: ['piqa', 'boolq'] })).rejects.toThrow(
      /Task "boolq" needs val\.jsonl/,
    );
    await expect(evaluate(engine, { answers, tasks: ['piqa', 'boolq', 'gsm8k'] })).rejects.toThrow(
      /^2 of 3 tasks cannot be asked:\n {2}Task "boolq" needs .* It is to be had from .*\n {2}Task "gsm8k" needs .* the repository openai\/grade-school-math/,
    );
    expect(readdirSync(answers)).toEqual([]);
  });

  test('the numbers are known beforehand: a suite has a mean if all of its tasks are asked', () => {
    const namesOf = (...tasks: string[]): readonly string[] => {
      const parts = { engine, tokenizer: new BytesTokenizer(), logger: silentLogger(), tasks: TASKS };
      return new BenchmarksEvaluator(parts, { data, tasks }).metricNames;
    };
    expect(namesOf('instruction')).toEqual(expect.arrayContaining(['instruction', 'instructionAboveChance', 'mgsm/*']));
    expect(namesOf('gsm8k', 'mmlu')).toEqual(['gsm8k/exactMatch', 'gsm8k/*', 'mmlu/accuracy', 'mmlu/*']);
  });

  const make = () =>
    createComponent([plugin, text], 'evaluator', {
      use: 'benchmarks',
      data,
      tasks: ['piqa'],
      tokenizer: 'bytes',
      answers: join(temporaryFolder(), 'answers'),
      limit: 2,
    });
  const given = { model: () => model, parameters };
  for (const { name, run } of conformance.evaluator(make, given)) test(name, run);
});
