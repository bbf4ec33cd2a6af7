import { createRandom, type HostFields, type RandomStream, type SpecialTokensSection } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { fakeModel, int32, rowsOf } from '../../test-support/fake-model';
import { Teacher } from './distillation';
import { PrefixLm, prefixLmOptions } from '../objectives/prefix-lm';
import { sequencesInBatch } from '../batch/sequences';

const teacherModel = fakeModel('decoder-only');
const student = fakeModel('encoder-decoder');
const settings = { alpha: 0.25, temperature: 1 };
const randomOf = (row: number): RandomStream => createRandom(0).fork(row);
const make = (teacher: Teacher): PrefixLm => new PrefixLm(prefixLmOptions.parse({ padToMultipleOf: 1 }), teacher);

beforeAll(() => openEngine({ mode: 'portable' }));

it('the teacher reads source and target without padding between, and predicts each target from the position before it', () => {
  const teacher = new Teacher(teacherModel, {}, settings);
  const batch: HostFields = {
    input_ids: int32([
      [5, 6, 7],
      [8, 9, 0],
    ]),
    attention_mask: int32([
      [1, 1, 1],
      [1, 1, 0],
    ]),
    labels: int32([
      [8, 9, 1],
      [10, 1, -100],
    ]),
  };
  expect(rowsOf(teacher.fields(batch, 1, student, randomOf))).toEqual({
    teacher_input_ids: [
      [2, 5, 6, 7, 8, 9],
      [2, 8, 9, 10, 0, 0],
    ],
    teacher_attention_mask: [
      [1, 1, 1, 1, 1, 1],
      [1, 1, 1, 1, 0, 0],
    ],
    teacher_positions: [
      [3, 4, 5],
      [2, 3, 0],
    ],
  });
});

describe('the start token that the teacher reads', () => {
  const batchFor = (source: number[]): HostFields => ({
    input_ids: int32([source]),
    attention_mask: int32([source.map(() => 1)]),
    labels: int32([[8, 9]]),
  });
  const read = (
    source: number[],
    own: SpecialTokensSection | undefined,
    students: SpecialTokensSection | undefined,
  ): number[][] => {
    const teacher = new Teacher(fakeModel('decoder-only', [], own), {}, settings);
    const fields = rowsOf(teacher.fields(batchFor(source), 1, fakeModel('encoder-decoder', [], students), randomOf));
    return [fields.teacher_input_ids[0], fields.teacher_positions[0]];
  };

  it.each<[string, number[], SpecialTokensSection | undefined, SpecialTokensSection | undefined, number[][]]>([
    [
      'no start token, if its own policy excludes it',
      [5, 6],
      { bos: false },
      undefined,
      [
        [5, 6, 8],
        [1, 2],
      ],
    ],
    [
      "no start token, if the student's policy excludes it",
      [5, 6],
      undefined,
      { teacher: { bos: false } },
      [
        [5, 6, 8],
        [1, 2],
      ],
    ],
    [
      "a start token, if the student's policy overrides its own",
      [5, 6],
      { bos: false },
      { teacher: { bos: true } },
      [
        [2, 5, 6, 8],
        [2, 3],
      ],
    ],
    [
      'only one start token, if the source has one',
      [2, 5, 6],
      undefined,
      undefined,
      [
        [2, 5, 6, 8],
        [2, 3],
      ],
    ],
    [
      "none of the special tokens of the student's encoder",
      [2, 5, 6, 1],
      undefined,
      { encoder: { bos: true, eos: true } },
      [
        [2, 5, 6, 8],
        [2, 3],
      ],
    ],
    [
      'no start token of the source, if its policy excludes it',
      [2, 5, 6],
      { bos: false },
      { encoder: { bos: true } },
      [
        [5, 6, 8],
        [1, 2],
      ],
    ],
  ])('the teacher reads %s', (_, source, own, students, expected) => {
    expect(read(source, own, students)).toEqual(expected);
  });
});

it('ignored labels are restored from what the decoder reads after them', () => {
  const batch: HostFields = {
    input_ids: int32([[5, 6, 7, 0]]),
    attention_mask: int32([[1, 1, 1, 0]]),
    decoder_input_ids: int32([[2, 8, 9, 1]]),
    labels: int32([[-100, 9, 1, -100]]),
  };
  expect(sequencesInBatch(batch, student)).toMatchObject([
    { source: Int32Array.of(5, 6, 7), target: Int32Array.of(8, 9, 1) },
  ]);
  expect(rowsOf(new Teacher(teacherModel, {}, settings).fields(batch, 1, student, randomOf)).teacher_input_ids).toEqual(
    [[2, 5, 6, 7, 8, 9]],
  );
});

it('the teacher reads a packed row segment by segment, and each label finds its position', () => {
  // Two sequences, [5, 6] -> [8, 9, 1] and [7] -> [10, 1], of which the labels 8 and 10 do not count; then filling.
  const batch: HostFields = {
    input_ids: int32([[5, 6, 7, 0]]),
    attention_mask: int32([[1, 1, 1, 0]]),
    segment_ids: int32([[1, 1, 2, 0]]),
    decoder_input_ids: int32([[2, 8, 9, 2, 10, 0]]),
    decoder_segment_ids: int32([[1, 1, 1, 2, 2, 0]]),
    labels: int32([[-100, 9, 1, -100, 1, -100]]),
  };
  const apart = { ...teacherModel, readsSegments: true };
  expect(rowsOf(new Teacher(apart, {}, settings).fields(batch, 4, student, randomOf))).toEqual({
    teacher_input_ids: [[2, 5, 6, 8, 9, 2, 7, 10]],
    teacher_attention_mask: [[1, 1, 1, 1, 1, 1, 1, 1]],
    teacher_segment_ids: [[1, 1, 1, 1, 1, 2, 2, 2]],
    teacher_positions: [[2, 3, 4, 6, 7, 0]],
  });
  expect(sequencesInBatch(batch, student).map(({ at, segment, target }) => [at, segment, ...target])).toEqual([
    [0, 1, 8, 9, 1],
    [3, 2, 10, 1],
  ]);
  expect(() => new Teacher(teacherModel, {}, settings).fields(batch, 1, student, randomOf)).toThrow(
    'does not keep them apart',
  );
});

it('the divergence is 0 between equal models and positive otherwise, and alpha mixes it with the cross-entropy', () => {
  // The fake models look logits up by the token they read, so equal tables see equal tokens at equal places.
  const table = tf.randomNormal([12, 12], 0, 1, 'float32', 7);
  const other = tf.randomNormal([12, 12], 0, 1, 'float32', 8);
  const divergenceOf = (student_: tf.Tensor): { loss: number; crossEntropy: number; divergence: number } => {
    const objective = make(new Teacher(teacherModel, { table }, settings));
    // Source ends with the start token, so that the decoder reads what the teacher reads at its first position.
    const host = objective.prepare(
      { kind: 'batch', batch: { input_ids: int32([[5, 2]]), labels: int32([[8, 9]]) } },
      { model: student, random: createRandom(0), step: 0 },
    );
    const batch = Object.fromEntries(
      Object.entries(host).map(([name, { values, shape }]) => [name, tf.tensor(values, [...shape], 'int32')]),
    );
    const { loss, metrics } = objective.loss(student, { table: student_ }, batch, { training: true });
    return {
      loss: loss.dataSync()[0],
      crossEntropy: metrics!.crossEntropy.dataSync()[0],
      divergence: metrics!.divergence.dataSync()[0],
    };
  };
  const same = divergenceOf(table);
  expect(same.divergence).toBeCloseTo(0, 6);
  expect(same.loss).toBeCloseTo(0.25 * same.crossEntropy, 5);
  const apart = divergenceOf(other);
  expect(apart.divergence).toBeGreaterThan(0.1);
  expect(apart.loss).toBeCloseTo(0.25 * apart.crossEntropy + 0.75 * apart.divergence, 5);
});

it('a teacher of another vocabulary or kind is refused, and so is a target without source', () => {
  const context = { model: student, random: createRandom(0), step: 0 };
  const prepare = (teacher: Teacher, batch: HostFields): HostFields =>
    make(teacher).prepare({ kind: 'batch', batch }, context);
  const batch = { input_ids: int32([[5]]), labels: int32([[8]]) };
  expect(() => prepare(new Teacher({ ...teacherModel, vocabularySize: 13 }, {}, settings), batch)).toThrow(
    'The teacher has a vocabulary of 13 tokens, the student of 12; distillation needs the same.',
  );
  expect(() => prepare(new Teacher(student, {}, settings), batch)).toThrow(
    'A teacher is a decoder-only model; this one is encoder-decoder.',
  );
  const sourceless = { ...batch, attention_mask: int32([[0]]) };
  const readsNone = fakeModel('decoder-only', [], { bos: false });
  expect(() => prepare(new Teacher(readsNone, {}, settings), sourceless)).toThrow(/has a target but no source/);
  // Behind its start token a teacher has something to predict from.
  expect(rowsOf(prepare(new Teacher(teacherModel, {}, settings), sourceless)).teacher_positions).toEqual([[0]]);
});
