import { createRandom, DataError, type BatchTensors, type HostFields, type ObjectiveSource } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { fakeModel, int32, rowsOf } from '../../test-support/fake-model';
import { Seq2Seq, seq2seqOptions } from './seq2seq';

const make = (options: object = {}): Seq2Seq => new Seq2Seq(seq2seqOptions.parse(options));
const context = { model: fakeModel('encoder-decoder'), random: createRandom(0) };
const examples = (...items: [source: number[], target: number[]][]): ObjectiveSource => ({
  kind: 'examples',
  examples: items.map(([source, target]) => ({ source: int32(source), target: int32(target) })),
});
const ready = (batch: HostFields): ObjectiveSource => ({ kind: 'batch', batch });

describe('seq2seq from examples', () => {
  it('seq2seq gives the docstring example', () => {
    expect(
      rowsOf(
        make({ padToMultipleOf: 4 }).prepare(
          examples([
            [5, 6, 7],
            [8, 9, 1],
          ]),
          context,
        ),
      ),
    ).toEqual({
      input_ids: [[5, 6, 7, 0]],
      attention_mask: [[1, 1, 1, 0]],
      decoder_input_ids: [[2, 8, 9, 1]],
      decoder_attention_mask: [[1, 1, 1, 0]],
      labels: [[8, 9, 1, -100]],
    });
  });

  it('rows are padded to the longest of the batch, rounded up, but not beyond the limit', () => {
    const source = examples([[3], [4, 1]], [[3, 4, 5, 6, 7], [1]]);
    const lengths = (options: object): number[] => {
      const batch = make(options).prepare(source, context);
      return [batch.input_ids.shape[1], batch.labels.shape[1]];
    };
    expect(lengths({ padToMultipleOf: 1 })).toEqual([5, 2]);
    expect(lengths({ padToMultipleOf: 4 })).toEqual([8, 4]);
    expect(lengths({ padToMultipleOf: 4, maxSourceTokens: 6 })).toEqual([6, 4]);
    expect(lengths({})).toEqual([32, 32]);
  });

  it('the error for a long example names the length that the batch needs', () => {
    const source = examples([[3, 4, 5], [1]], [[3, 4, 5, 6], [1]]);
    expect(() => make({ maxSourceTokens: 2 }).prepare(source, context)).toThrow(
      expect.objectContaining({
        message:
          'Example 0 of the batch: "source" has 3 tokens, but objective.maxSourceTokens is 2; this batch needs 4.',
        hint: 'Set objective.maxSourceTokens to 4 or more, or set objective.truncate: true.',
        exitCode: 2,
      }) as Error,
    );
  });

  it('long examples are truncated if configured', () => {
    const batch = make({ maxSourceTokens: 2, maxTargetTokens: 2, truncate: true, padToMultipleOf: 1 }).prepare(
      examples([
        [3, 4, 5],
        [6, 7, 1],
      ]),
      context,
    );
    expect(rowsOf(batch)).toMatchObject({ input_ids: [[3, 4]], labels: [[6, 7]], decoder_input_ids: [[2, 6]] });
  });

  it('empty sources and tokens outside the vocabulary are refused', () => {
    expect(() => make().prepare(examples([[], [1]]), context)).toThrow('"source" is empty');
    expect(() => make().prepare(examples([[12], [1]]), context)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('"input_ids" holds 12, but the model\'s vocabulary has 12 tokens') as string,
        hint: expect.stringContaining('model.vocabularySize') as string,
        exitCode: 2,
      }) as Error,
    );
    expect(() => make().prepare(examples([[3], [-1]]), context)).toThrow('"decoder_input_ids"');
  });
});

describe('seq2seq from ready batches', () => {
  const inputs = { input_ids: int32([[3, 4, 0]]), labels: int32([[5, 6, -100, 1]]) };

  it('missing decoder inputs are the labels shifted right after the start token, and missing masks are all ones', () => {
    expect(rowsOf(make().prepare(ready(inputs), context))).toEqual({
      input_ids: [[3, 4, 0]],
      attention_mask: [[1, 1, 1]],
      decoder_input_ids: [[2, 5, 6, 0]],
      decoder_attention_mask: [[1, 1, 1, 1]],
      labels: [[5, 6, -100, 1]],
    });
  });

  it('given decoder inputs and masks are used as they are', () => {
    const given = {
      ...inputs,
      attention_mask: int32([[1, 1, 0]]),
      decoder_input_ids: int32([[9, 8, 7, 6]]),
      decoder_attention_mask: int32([[1, 1, 1, 0]]),
    };
    expect(rowsOf(make().prepare(ready(given), context))).toEqual(rowsOf(given));
  });

  it.each<[string, HostFields, string]>([
    ['missing labels', { input_ids: inputs.input_ids }, 'lacks the field "labels"'],
    [
      'a mask of another shape',
      { ...inputs, attention_mask: int32([[1, 1]]) },
      '"attention_mask" has shape [1, 2], but "input_ids" has [1, 3]',
    ],
    [
      'decoder inputs of another length',
      { ...inputs, decoder_input_ids: int32([[2, 5]]) },
      '"decoder_input_ids" has shape [1, 2]',
    ],
    ['another number of rows', { ...inputs, labels: int32([[5], [6]]) }, '1 rows of "input_ids", but 2 of "labels"'],
    ['labels that are all ignored', { ...inputs, labels: int32([[-100, -100]]) }, 'nothing to learn from'],
    ['-100 among the inputs', { ...inputs, input_ids: int32([[3, -100, 4]]) }, '"input_ids" holds -100'],
  ])('a batch with %s is refused', (_, batch, message) => {
    expect(() => make().prepare(ready(batch), context)).toThrow(DataError);
    expect(() => make().prepare(ready(batch), context)).toThrow(message);
  });

  it('a decoder-only model is refused by name', () => {
    expect(() => make().prepare(ready(inputs), { ...context, model: fakeModel('decoder-only') })).toThrow(
      'The objective "seq2seq" trains encoder-decoder models, but this model is decoder-only.',
    );
  });
});

it('the loss is the mean over counted labels, with their number, and the model gets no labels', async () => {
  await openEngine({ mode: 'portable' });
  const seen: BatchTensors[] = [];
  const model = fakeModel('encoder-decoder', seen);
  const objective = make({ padToMultipleOf: 4 });
  const fields = objective.prepare(examples([[3], [4, 1]], [[3, 4], [1]]), { ...context, model });
  expect(objective.countTokens(fields)).toBe(3 + 3);
  const batch = Object.fromEntries(
    Object.entries(fields).map(([name, { values, shape }]) => [name, tf.tensor(values, [...shape], 'int32')]),
  );
  const { loss, weight, sums } = objective.loss(model, { table: tf.zeros([12, 12]) }, batch, { training: true });
  expect(loss.dataSync()[0]).toBeCloseTo(Math.log(12), 5);
  expect(sums!.targetTokens.dataSync()[0]).toBe(3);
  expect(weight!.dataSync()[0]).toBe(3);
  expect(Object.keys(seen[0]).sort()).toEqual([
    'attention_mask',
    'decoder_attention_mask',
    'decoder_input_ids',
    'input_ids',
  ]);
});
