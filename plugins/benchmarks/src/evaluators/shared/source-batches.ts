/** Texts as what a model reads before it generates. Shapes: B rows, S tokens. */
import { DataError, modelInput, tokensOfSide, type HostFields, type Model, type SideTokenizers } from '@graft/core';

/**
 * The tokens of a text as the model reads them, with the special tokens of its policy: an encoder's source, or a
 * decoder-only model's prompt. Throws DataError if there are none.
 */
export function sourceIds(model: Model, { encoder, decoder }: SideTokenizers, text: string): Int32Array {
  const ids = modelInput(model, (model.kind === 'decoder-only' ? decoder : encoder).encode(text));
  if (ids.length > 0) return ids;
  throw new DataError(`The text ${JSON.stringify(text)} gives no token, and the model reads none before it.`, {
    code: 'data.empty',
    exitCode: 2,
    hint: 'Leave the row out.',
  });
}

/** Rows as `input_ids` and `attention_mask`, [B, S] each; S is the longest row, rounded up to a multiple of `multipleOf`. */
export function sourceFields(model: Model, rows: readonly ArrayLike<number>[], multipleOf = 1): HostFields {
  const longest = rows.reduce((length, row) => Math.max(length, row.length), 0);
  const length = multipleOf * Math.ceil(longest / multipleOf);
  const { pad } = tokensOfSide(model, 'encoder').specialTokens;
  const [ids, mask] = [new Int32Array(rows.length * length).fill(pad), new Int32Array(rows.length * length)];
  rows.forEach((row, i) => {
    ids.set(row, i * length);
    mask.fill(1, i * length, i * length + row.length);
  });
  const shape = [rows.length, length];
  return {
    input_ids: { dtype: 'int32', shape, values: ids },
    attention_mask: { dtype: 'int32', shape, values: mask },
  };
}
