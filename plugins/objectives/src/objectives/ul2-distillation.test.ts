/** UL2 with a teacher. Shapes: N labels of a batch, V vocabulary. */
import {
  createRandom,
  uploadBatch,
  type HostFields,
  type ObjectiveContext,
  type ObjectiveSource,
  type Parameters,
} from '@graft/core';
import { findNativeLibrary, openEngine, tf, valueAndGradients, type EngineMode } from '@graft/engine';
import { worstDifference } from '@graft/test-support';
import fc from 'fast-check';
import {
  capped,
  indicesOf,
  numbers,
  reference,
  SETTINGS,
  type IndexRow,
  type Numbers,
} from '../../test-support/distillation-reference';
import { fakeModel, int32, rowsOf } from '../../test-support/fake-model';
import { keyOf, sequencesInBatch } from '../batch/sequences';
import { CachedTeacher } from '../distillation/cached-teacher';
import type { StoredSequence, TeacherCache } from '../distillation/cache-format';
import { Teacher } from '../distillation/distillation';
import { readsVariant } from '../distillation/taught-objective';
import { Mixture } from './mixture';
import { Ul2 } from './ul2';
import type { Ul2Options } from './ul2-options';

const V = 1000;
const [EOS, START] = [1, 2];
const MODES: Record<string, number> = { R: 900, X: 901, S: 902 };
/** Above every token of a text. */
const FIRST_SENTINEL = 700;
const settings = { alpha: 0.25, temperature: 1 };
const distillation = { teacher: 'there' };
const student = { ...fakeModel('encoder-decoder'), vocabularySize: V, readsSegments: true };
const readerOf = (bos: boolean): Teacher['model'] => ({
  ...fakeModel('decoder-only', [], { bos }),
  vocabularySize: V,
  readsSegments: true,
});
const contextOf = (seed: number, more: Partial<ObjectiveContext> = {}): ObjectiveContext => ({
  model: student,
  random: createRandom(seed),
  step: 0,
  ...more,
});

/** Rows of texts; no token occurs twice in a batch, and none is special. */
const rows = fc
  .array(fc.array(fc.integer({ min: 2, max: 40 }), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 })
  .map((lengths) => {
    let next = 3;
    return lengths.map((row) => row.map((length) => Array.from({ length }, () => next++)));
  });
const denoisers = fc.array(
  fc.record({
    kind: fc.constantFrom('span' as const, 'suffix' as const),
    meanSpan: fc.double({ min: 1, max: 20, noNaN: true }),
    rate: fc.double({ min: 0.02, max: 0.95, noNaN: true }),
    weight: fc.integer({ min: 1, max: 4 }),
    prefix: fc.constantFrom('R', 'S', 'X'),
  }),
  { minLength: 1, maxLength: 4 },
);
const corruption = fc.record({
  denoisers,
  appendEos: fc.boolean(),
  suffixEos: fc.boolean(),
  seed: fc.integer(),
  bos: fc.boolean(),
});

/** Examples with a segment for each text, or with the first text of each row. */
function source(texts: readonly (readonly number[][])[], packed: boolean): ObjectiveSource {
  const examples = texts.map((row) => ({
    tokens: int32(packed ? row.flat() : row[0]),
    ...(packed ? { segments: int32(row.flatMap((text, i) => text.map(() => i + 1))) } : {}),
  }));
  return { kind: 'examples', examples };
}

const optionsOf = ({
  denoisers: given,
  appendEos,
  suffixEos,
}: Pick<Ul2Options, 'denoisers' | 'appendEos' | 'suffixEos'>): Ul2Options => ({
  denoisers: given,
  appendEos,
  suffixEos,
  distillation,
  padToMultipleOf: 4,
  modeTokens: Object.fromEntries(given!.map(({ prefix }) => [prefix!, MODES[prefix!]])),
  sentinels: { first: FIRST_SENTINEL, step: 1, count: 200 },
});

/** Labels in order, with the text that each is of: undefined for a sentinel or an end token. */
function labelsOf(
  batch: Record<string, number[][]>,
  texts: readonly (readonly number[][])[],
): { row: number; at: number; text?: number[]; label: number }[] {
  return batch.labels.flatMap((labels, row) =>
    labels.flatMap((label, at) =>
      label === -100 ? [] : [{ row, at, label, text: texts[row].find((text) => text.includes(label)) }],
    ),
  );
}

test('the teacher predicts every label of a text from exactly the tokens before its origin, and no other label', () => {
  fc.assert(
    fc.property(rows, corruption, fc.boolean(), (texts, { seed, bos, ...given }, packed) => {
      const objective = new Ul2(optionsOf(given), { teacher: new Teacher(readerOf(bos), {}, settings) });
      const fields = objective.prepare(source(texts, packed), contextOf(seed));
      const declared = objective.batchFields.map(({ name }) => name);
      expect(Object.keys(fields).filter((name) => !declared.includes(name) || name.startsWith('text_'))).toEqual([]);
      const batch = rowsOf(fields);
      const labels = labelsOf(batch, texts);
      expect(labels.length).toBeGreaterThan(0);
      for (const { row, at, text, label } of labels) {
        const origin = batch.label_origins[row][at];
        if (!text) {
          expect([label >= FIRST_SENTINEL || label === EOS, origin]).toEqual([true, -1]);
          continue;
        }
        const whole = packed ? texts[row].flat() : texts[row][0];
        expect(whole[origin]).toBe(label);
        const position = batch.teacher_positions[row][at];
        const read = [...(bos ? [START] : []), ...text.slice(0, text.indexOf(label))];
        const ids = batch.teacher_input_ids[row];
        expect(ids.slice(position + 1 - read.length, position + 1)).toEqual(read);
        if (!packed) expect(position + 1).toBe(read.length);
        // Nothing but its own segment, from its beginning on.
        const segments = packed ? batch.teacher_segment_ids[row] : batch.teacher_attention_mask[row];
        const first = segments.indexOf(segments[position]);
        expect(position + 1 - read.length).toBe(first);
      }
    }),
  );
});

test("the target of every label is its origin's row of the teacher's distributions, also from a cache", async () => {
  await openEngine({ mode: 'portable' });
  // The logits after a token are a row of this table, so they tell the token that was read last.
  const table = tf.randomUniform([V, 3], 0, 1, 'float32', 4);
  const known = table.arraySync() as number[][];
  const model = readerOf(true);
  const reader: Teacher['model'] = {
    ...model,
    forward: (parameters, { input_ids: ids }) => ({ logits: tf.gather(parameters.table, ids) as tf.Tensor3D }),
    vocabularySize: V,
  };
  fc.assert(
    fc.property(rows, corruption, fc.boolean(), (texts, { seed, bos: _, ...given }, packed) => {
      const make = (teacher?: Teacher | CachedTeacher): HostFields =>
        new Ul2(optionsOf(given), { teacher }).prepare(source(texts, packed), contextOf(seed));
      const teacher = new Teacher({ ...reader, vocabularySize: 3 }, { table }, settings);
      jest.spyOn(teacher, 'checkStudent').mockImplementation();
      const live = make(teacher);
      const targets = tf.tidy(() => {
        const batch = uploadBatch(live);
        const { logits } = teacher.targets(batch).slice(0, live.labels.values.length) as { logits: tf.Tensor2D };
        return logits.arraySync();
      });
      // A cache stores for each position of a text the token that it predicts there.
      const cache = {
        index: { topK: 1, vocabulary: V, bos: true },
        read: (key: string): StoredSequence | undefined => stored.get(key),
      } as unknown as TeacherCache;
      const stored = new Map(
        sequencesInBatch(make(), student).map((sequence): [string, StoredSequence] => [
          keyOf(sequence),
          {
            positions: sequence.target.length,
            tokens: sequence.target,
            logProbabilities: Float32Array.from(sequence.target, (token) => -token),
            logRest: Float32Array.from(sequence.target, (token) => -2 * token),
          },
        ]),
      );
      const cached = make(new CachedTeacher(cache, settings));
      const width = live.labels.shape[1];
      for (const { row, at, text, label } of labelsOf(rowsOf({ labels: live.labels }), texts)) {
        if (!text) continue;
        const place = row * width + at;
        expect(targets[place]).toEqual(known[[START, ...text][text.indexOf(label)]]);
        const { teacher_tokens, teacher_log_probabilities, teacher_log_rest } = cached;
        expect(
          [teacher_tokens, teacher_log_probabilities, teacher_log_rest].map(({ values }) => values[place]),
        ).toEqual([label, -label, -2 * label]);
      }
    }),
    { numRuns: 50 },
  );
  table.dispose();
});

test('with inputTokens the teacher reads rows of one length in every batch of a group', () => {
  const objective = new Ul2(
    { preset: 'ul2', inputTokens: 64, sentinels: { first: FIRST_SENTINEL, step: 1, count: 100 }, distillation },
    { teacher: new Teacher(readerOf(true), {}, settings) },
  );
  const lengths = new Map<string, Set<number>>();
  for (let step = 0; step < 40; step++) {
    const random = createRandom(5);
    const variant = objective.variantAt(step, random)!;
    const context = contextOf(step, { step, variant });
    const examples = [0, 1].map((i) => {
      const length = objective.exampleTokens(context, i)!;
      return { tokens: int32(Array.from({ length }, (_, k) => 3 + k)) };
    });
    const { shape } = objective.prepare({ kind: 'examples', examples }, context).teacher_input_ids;
    lengths.set(variant, (lengths.get(variant) ?? new Set()).add(shape[1]));
  }
  expect([...lengths.keys()].sort()).toEqual([...objective.variants!].sort());
  expect([...lengths.values()].map(({ size }) => size)).toEqual([...lengths].map(() => 1));
});

test('an evaluation, and a batch without distillation, have no fields of a teacher', () => {
  const names = (objective: Ul2, step?: number): string[] =>
    Object.keys(objective.prepare(source([[[3, 4, 5, 6]]], false), contextOf(1, { step })));
  const plain = names(new Ul2({ sentinels: [800, 801] }), 0);
  const options = { sentinels: [800, 801], distillation };
  expect(names(new Ul2(options, { teacher: new Teacher(readerOf(true), {}, settings) }))).toEqual(plain);
  // Without the teacher itself, as for its cache, the batch has what it would read.
  expect(names(new Ul2(options), 0)).toEqual([...plain, 'label_origins', 'text_ids', 'text_segment_ids']);
});

test('origins that name other tokens are refused', () => {
  const teacher = new Teacher(readerOf(true), {}, settings);
  const batch = new Ul2({ denoisers: [{ kind: 'suffix', rate: 0.5 }], distillation }).prepare(
    source([[[3, 4, 5, 6]]], false),
    contextOf(1),
  );
  const refuse = (origin: number, message: string): void => {
    const values = batch.label_origins.values.slice();
    values[0] = origin;
    const wrong = { ...batch, label_origins: { ...batch.label_origins, values } };
    expect(() => teacher.fields(wrong, 1, student, (row) => createRandom(row))).toThrow(message);
  };
  refuse(1, 'Row 0 of the batch: label 5 at 0 has the origin 1, but that is the token 4.');
  refuse(0, 'label 5 at 0 has the origin 0, but that is outside the text 1 to 3.');
  refuse(7, 'label 5 at 0 has the origin 7, but that is outside the text 1 to 3.');
});

test('a teacher of a mixture reads every group of its part, and of no other', () => {
  const part = new Ul2({ inputTokens: 64, sentinels: [10, 11], distillation });
  const [teacher] = new Mixture([
    { name: 'a', objective: part },
    { name: 'ab', objective: new Ul2({ sentinels: [10, 11] }) },
  ]).teachers;
  expect(['a', 'a/R-X', 'ab', undefined].map((variant) => readsVariant(teacher, variant))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(part.teachers.map((one) => readsVariant(one, 'R-X'))).toEqual([true]);
});

describe('the loss of ul2 with a teacher', () => {
  const model = capped('encoder-decoder');
  // Sentinels are 10 and 11. The second text ends with an end token of its own, which the teacher predicts.
  const texts = [
    [3, 4, 5, 6, 7, 8, 9],
    [9, 8, 7, 6, 5, 4, 1],
  ];
  const weights = [
    [1, 2, 0.5, 1, 1, 0.25, 1],
    [1, 1, 1, 0, 2, 1, 3],
  ];
  const objectiveOf = (teacher: Teacher, suffix: boolean, chunkTokens?: number): Ul2 =>
    new Ul2(
      {
        denoisers: [suffix ? { kind: 'suffix', rate: 0.5 } : { rate: 0.4, meanSpan: 2 }],
        appendEos: !suffix,
        sentinels: [10, 11],
        padToMultipleOf: 4,
        chunkTokens,
        distillation,
      },
      { teacher },
    );
  const cases = SETTINGS.flatMap((one) => [
    { one, suffix: false },
    { one, suffix: true },
  ]);
  let hasLibrary = false;
  beforeAll(async () => void (hasLibrary = (await findNativeLibrary()) !== undefined));

  test.each((['portable', 'graph'] as EngineMode[]).map((mode) => [mode]))(
    'agrees with double precision on %s, whole and in chunks',
    async (mode) => {
      if (!hasLibrary && mode !== 'portable') return;
      const engine = await openEngine({ mode });
      const [own, taught] = [
        { states: numbers(1), output: numbers(2) },
        { states: numbers(3), output: numbers(4) },
      ];
      const upload = (tables: { states: Numbers; output: Numbers }): Parameters =>
        Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, tf.tensor2d(table as number[][])]));
      const [ownTables, taughtTables] = [upload(own), upload(taught)];
      for (const { one, suffix } of mode === 'portable' ? cases : cases.filter((_, i) => i % 5 === 0)) {
        for (const chunkTokens of [undefined, 3]) {
          const objective = objectiveOf(new Teacher(capped('decoder-only'), taughtTables, one), suffix, chunkTokens);
          const examples = texts.map((tokens, i) => ({
            tokens: int32(tokens),
            weights: { dtype: 'float32', shape: [7], values: Float32Array.from(weights[i]) } as const,
          }));
          const fields = objective.prepare({ kind: 'examples', examples }, contextOf(3, { model }));
          const batch = uploadBatch(fields);
          const step = engine.jit((parameters: Parameters, given: typeof batch) =>
            valueAndGradients((p) => {
              const out = objective.loss(model, p, given, { training: true });
              return { loss: out.loss, auxiliary: { ...out.metrics! } };
            }, parameters),
          );
          const { loss, gradients, auxiliary } = step(ownTables, batch);
          const expected = reference(placesOf(fields, suffix), own, taught, one);
          const near = (got: tf.Tensor, wanted: number): void =>
            expect(Math.abs(got.dataSync()[0] - wanted)).toBeLessThan(2e-5 * (1 + Math.abs(wanted)));
          near(loss, expected.loss);
          near(auxiliary.crossEntropy, expected.crossEntropy);
          near(auxiliary.divergence, expected.divergence);
          for (const name of ['states', 'output'] as const)
            expect(worstDifference(gradients[name].dataSync(), expected.gradients[name].flat())).toBeLessThan(2e-5);
          tf.dispose([loss, gradients, auxiliary, batch]);
          step.dispose();
        }
      }
      tf.dispose([ownTables, taughtTables]);
    },
  );

  /** The labels with what the definition says of them: their origins follow from the texts, not from the batch. */
  function placesOf(fields: HostFields, suffix: boolean): IndexRow[] {
    const { values, shape } = fields.labels;
    const width = shape[1];
    return indicesOf(fields).map((place, i) => {
      const row = Math.floor(i / width);
      const isLast = i % width === width - 1 || values[i + 1] === -100;
      // Only a span denoiser adds an end token, after everything else.
      const origin = !suffix && isLast ? -1 : texts[row].indexOf(values[i]);
      return { ...place, readByTeacher: origin > 0 ? texts[row][origin - 1] : START, oneHot: origin < 0 };
    });
  }
});
