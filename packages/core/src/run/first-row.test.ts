import type { Dataset, HostFields, Tokenizer } from '../interfaces';
import { firstRowTexts } from './first-row';

const letters = (first: string): Tokenizer =>
  ({
    padId: 0,
    decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => String.fromCharCode(first.charCodeAt(0) + id)).join(''),
  }) as unknown as Tokenizer;
const rows = (...values: number[]): HostFields[string] => ({
  dtype: 'int32',
  shape: [2, values.length / 2],
  values: Int32Array.from(values),
});

const datasetWith = (own: Partial<Dataset>): Dataset => own as Dataset;

it('the first row is decoded by the tokenizer of each side, without padding and ignored labels', () => {
  const fields = {
    input_ids: rows(1, 2, 0, 5, 5, 5),
    attention_mask: rows(1, 1, 0, 1, 1, 1),
    decoder_input_ids: rows(0, 1, 2, 3),
    labels: rows(3, -100, 4, 4),
  };
  const tokenizers = { encoder: letters('a'), decoder: letters('A') };
  expect(firstRowTexts(fields, datasetWith({ tokenizers }), { kind: 'encoder-decoder' })).toEqual([
    { field: 'input_ids', text: 'bc', tokens: 2 },
    { field: 'decoder_input_ids', text: 'AB', tokens: 2 },
    { field: 'labels', text: 'D', tokens: 1 },
  ]);
  expect(firstRowTexts(fields, datasetWith({ tokenizer: letters('A') }), { kind: 'decoder-only' })[0].text).toBe('BC');
});

it('there is no text without a tokenizer', () => {
  expect(firstRowTexts({ input_ids: rows(1, 2) }, datasetWith({}), { kind: 'decoder-only' })).toEqual([]);
  const facts = datasetWith({ tokenizer: { vocabularySize: 5 } });
  expect(firstRowTexts({ input_ids: rows(1, 2) }, facts, { kind: 'decoder-only' })).toEqual([]);
});
