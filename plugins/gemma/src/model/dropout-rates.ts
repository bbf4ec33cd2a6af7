/** Rates of dropout in config.json. */
import type { DropoutRates } from '@graft/core';
import type { ConfigFields } from './config-fields';

export const NO_DROPOUT: DropoutRates = { dropout: 0, attentionDropout: 0, classifierDropout: 0 };

/** The field of a model's config with the rates: absent if nothing is dropped. */
export function ratesField(rates: DropoutRates): { dropout?: DropoutRates } {
  return Object.values(rates).some((rate: number) => rate > 0) ? { dropout: rates } : {};
}

/** For a decoder-only model: only probabilities of attention are dropped. */
export function decoderOnlyRates(fields: ConfigFields): { dropout?: DropoutRates } {
  return ratesField({ ...NO_DROPOUT, attentionDropout: fields.rate('attention_dropout') });
}

/**
 * For an encoder-decoder: the keys at the top level apply to both sides, whatever their sections contain, even if they
 * are missing.
 */
export function encoderDecoderRates(fields: ConfigFields): { dropout?: DropoutRates } {
  return ratesField({
    dropout: fields.rate('dropout_rate'),
    attentionDropout: fields.rate('attention_dropout'),
    classifierDropout: fields.rate('classifier_dropout_rate'),
  });
}
