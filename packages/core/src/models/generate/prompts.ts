/** The inputs of generation: right-aligned prompts, and sources. */
import { DataError } from '@graft/engine';
import type { GenerationDefaults, HostArray, HostFields, Model } from '../../interfaces';
import { checkIdsAndMask } from '../heads/host-fields';
import { DEFAULT_NEW_TOKENS, generationOf } from './generation-defaults';

/**
 * Maximum number of tokens after a prompt of `promptTokens` tokens (including padding): the caller's number, otherwise
 * the checkpoint's, otherwise 20. Throws DataError for an invalid number, and for a prompt that leaves none.
 */
export function newTokensLimit(asked: number | undefined, defaults: GenerationDefaults, promptTokens: number): number {
  const { maxNewTokens, maxLength, from } = defaults;
  const wrong = (message: string, hint?: string): DataError =>
    new DataError(message, { code: 'generation.max-new-tokens', exitCode: 2, hint });
  if (asked !== undefined) {
    if (Number.isSafeInteger(asked) && asked >= 1) return asked;
    throw wrong(`maxNewTokens should be an integer of at least 1, but is ${asked}.`);
  }
  if (maxNewTokens !== undefined) return maxNewTokens;
  if (maxLength === undefined) return DEFAULT_NEW_TOKENS;
  if (maxLength > promptTokens) return maxLength - promptTokens;
  throw wrong(
    `The prompt has ${promptTokens} tokens, but "max_length" in ${from} is ${maxLength}, which counts the prompt too.`,
    'Say how many new tokens there may be (maxNewTokens, --max-new-tokens).',
  );
}

/** Repeats every row `times` times; the copies are adjacent. */
export function repeatRows(fields: HostFields, times: number): HostFields {
  if (times === 1) return fields;
  if (!Number.isSafeInteger(times) || times < 1) {
    throw new DataError(`sequences should be an integer of at least 1, but is ${times}.`, {
      code: 'generation.sequences',
      exitCode: 2,
    });
  }
  return Object.fromEntries(
    Object.entries(fields).map(
      ([
        name,
        {
          values,
          shape: [rows, ...rest],
          dtype,
        },
      ]) => {
        const width = values.length / rows;
        const repeated = new (dtype === 'int32' ? Int32Array : Float32Array)(values.length * times);
        for (let row = 0; row < rows * times; row++) {
          const from = Math.floor(row / times) * width;
          repeated.set(values.subarray(from, from + width), row * width);
        }
        return [name, { dtype, shape: [rows * times, ...rest], values: repeated }];
      },
    ),
  );
}

/** int32 [B, P] each; the mask has zeros at padding on the left. */
export interface Prompt {
  readonly ids: HostArray;
  readonly mask?: HostArray;
}

/** The decoder's prompt, and the encoder's source if there is one. Throws DataError for invalid fields. */
export function promptAndSource(model: Model, fields: HostFields): { prompt: Prompt; source?: HostFields } {
  const where = 'The inputs of generate';
  checkIdsAndMask(fields, 'input_ids', 'attention_mask', model, where);
  const { input_ids: ids, attention_mask: mask } = fields;
  if (model.kind === 'decoder-only') return { prompt: alignRight({ ids, mask }, model.specialTokens.pad) };
  // A mask of ones would cost a pass over every layer's scores.
  const hides = mask?.values.some((seen) => seen === 0) ?? false;
  const source: HostFields = mask && hides ? { input_ids: ids, attention_mask: mask } : { input_ids: ids };
  if (fields.decoder_input_ids) {
    checkIdsAndMask(fields, 'decoder_input_ids', 'decoder_attention_mask', model, where);
    return {
      prompt: alignRight(
        { ids: fields.decoder_input_ids, mask: fields.decoder_attention_mask },
        model.specialTokens.pad,
      ),
      source,
    };
  }
  const batch = ids.shape[0];
  const start = {
    dtype: 'int32' as const,
    shape: [batch, 1],
    values: new Int32Array(batch).fill(generationOf(model).start),
  };
  return { prompt: { ids: start }, source };
}

/**
 * Moves each row's padding to the left, so that all rows continue at the same position (quirk 9: positions count from 0
 * anyway).
 */
function alignRight({ ids, mask }: Prompt, pad: number): Prompt {
  if (!mask || mask.values.every((seen) => seen !== 0)) return { ids };
  const [batch, length] = ids.shape;
  const values = new Int32Array(batch * length).fill(pad);
  const aligned = new Int32Array(batch * length);
  for (let row = 0; row < batch; row++) {
    let to = (row + 1) * length;
    for (let i = (row + 1) * length - 1; i >= row * length; i--) {
      if (mask.values[i] === 0) continue;
      to--;
      values[to] = ids.values[i];
      aligned[to] = 1;
    }
    if (to === (row + 1) * length)
      throw new DataError(`The prompt of row ${row} is padding alone.`, { code: 'inputs.empty-prompt' });
  }
  return {
    ids: { dtype: 'int32', shape: ids.shape, values },
    mask: { dtype: 'int32', shape: ids.shape, values: aligned },
  };
}

/** The tokens of the prompts without padding. */
export function promptRows({ ids, mask }: Prompt): number[][] {
  const [batch, length] = ids.shape;
  return Array.from({ length: batch }, (_, row) => {
    const tokens: number[] = [];
    for (let i = row * length; i < (row + 1) * length; i++)
      if (!mask || mask.values[i] !== 0) tokens.push(ids.values[i]);
    return tokens;
  });
}
