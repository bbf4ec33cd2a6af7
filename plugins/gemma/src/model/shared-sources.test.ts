import { runForward, type Parameters } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { worstDifference } from '@graft/test-support';
import { ints, ODD_SIDE, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';
import { GemmaModel } from './model';

const tensor = (rows: readonly (readonly number[])[]): tf.Tensor =>
  tf.tensor2d(
    [...rows].map((row) => [...row]),
    undefined,
    'int32',
  );
const sources = [
  [5, 9, 12, 7, 3],
  [8, 6, 0, 0, 0],
];
const masks = sources.map((row) => row.map((id) => Number(id !== 0)));
const targets = [
  [2, 4, 6],
  [2, 7, 7],
  [2, 5, 9],
];
const sourceRows = [1, 0, 1];

/** A pair in the form that computes what its decoder-only source does. */
function preservingPair(): GemmaModel {
  const { decoder, initializerRange } = tinyGemma({ kind: 'decoder-only', decoder: ODD_SIDE }).config;
  const side = {
    ...decoder,
    family: 'gemma2' as const,
    block: { ...decoder.block, crossAttention: 'merged' as const },
  };
  return new GemmaModel({
    kind: 'encoder-decoder',
    family: 'graft',
    encoder: side,
    decoder: side,
    encoderWindow: 'strict',
    tieEncoderEmbedding: false,
    initializerRange,
    functionPreserving: { done: 0 },
  });
}

const forms: Readonly<Record<string, () => GemmaModel>> = {
  'cross-attention': () => tinyGemma({ decoder: ODD_SIDE }),
  'merged attention': () => tinyGemma({ family: 't5gemma2', decoder: ODD_SIDE, bosTokenId: 2, eosTokenId: 1 }),
  'the function-preserving form': preservingPair,
};

test.each(Object.keys(forms))('%s: targets that share a source read what each reads of its own copy', async (form) => {
  const engine = await openEngine({ mode: 'portable' });
  const model = forms[form]();
  const parameters: Parameters = tinyParameters(model);
  const { logits: expected } = await runForward({
    engine,
    model,
    parameters,
    inputs: {
      input_ids: ints(sourceRows.map((row) => sources[row])),
      attention_mask: ints(sourceRows.map((row) => masks[row])),
      decoder_input_ids: ints(targets),
    },
  });
  const fields = { input_ids: tensor(sources), attention_mask: tensor(masks), decoder_input_ids: tensor(targets) };
  const { logits } = model.forward(parameters, fields, { sourceRows: tf.tensor1d(sourceRows, 'int32') });
  expect(logits.shape).toEqual([3, 3, model.vocabularySize]);
  expect(worstDifference(await logits.data(), expected.values)).toBeLessThan(1e-5);
  tf.dispose([parameters, fields, logits] as tf.TensorContainer);
});
