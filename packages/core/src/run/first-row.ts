/** The first row of a batch as text, for those who check what a model would read. */
import { sidesOf } from '../data/side-text';
import { FIELDS, IGNORED_LABEL, type Dataset, type HostFields, type Model, type Tokenizer } from '../interfaces';

/** A field of ids in the first row of a batch. */
export interface FirstRowText {
  readonly field: string;
  /** Special tokens are spelled out; padding and ignored labels are left out. */
  readonly text: string;
  readonly tokens: number;
}

/** The text of every field of ids; none if the dataset has no tokenizer. */
export function firstRowTexts(fields: HostFields, dataset: Dataset, { kind }: Pick<Model, 'kind'>): FirstRowText[] {
  const { tokenizer } = dataset;
  const sides = dataset.tokenizers ?? (isTokenizer(tokenizer) ? sidesOf(tokenizer) : undefined);
  if (!sides) return [];
  const source = kind === 'decoder-only' ? sides.decoder : sides.encoder;
  return [
    [FIELDS.inputIds, FIELDS.attentionMask, source],
    [FIELDS.decoderInputIds, FIELDS.decoderAttentionMask, sides.decoder],
    [FIELDS.labels, undefined, sides.decoder],
  ].flatMap(([field, mask, side]) => {
    const ids = firstRow(fields, field as string);
    if (!ids) return [];
    const there = mask === undefined ? undefined : firstRow(fields, mask as string);
    const own = ids.filter((id, at) => id !== IGNORED_LABEL && (there === undefined || there[at] !== 0));
    const text = (side as Tokenizer).decode(own, { keepSpecial: true });
    return [{ field: field as string, text, tokens: own.length }];
  });
}

/** A dataset promises only facts, but most have the tokenizer itself. */
const isTokenizer = (facts: Dataset['tokenizer']): facts is Tokenizer =>
  facts !== undefined && typeof (facts as Partial<Tokenizer>).decode === 'function';

function firstRow(fields: HostFields, name: string): number[] | undefined {
  if (!Object.hasOwn(fields, name)) return undefined;
  const { shape, values } = fields[name];
  return shape.length === 2 ? [...values.subarray(0, shape[1])] : undefined;
}
