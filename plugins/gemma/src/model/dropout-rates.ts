/** Rates of dropout in config.json. */
import type { DropoutRates } from '@graft/core';
import type { ConfigFields } from './config-fields';

export const NO_DROPOUT: DropoutRates = { dropout: 0, attentionDropout: 0, classifierDropout: 0 };

/** The field of a model's config that holds rates: absent where nothing is dropped. */
export function ratesField(rates: DropoutRates): { dropout?: DropoutRates } {
  return Object.values(rates).some((rate: number) => rate > 0) ? { dropout: rates } : {};
}

/** Of a decoder-only model: probabilities of attention are all that is dropped. */
export function decoderOnlyRates(fields: ConfigFields): { dropout?: DropoutRates } {
  return ratesField({ ...NO_DROPOUT, attentionDropout: fields.rate('attention_dropout') });
}

/** Of an encoder-decoder: what stands on top counts for both sides, whatever their sections say, even where it is silent. */
export function encoderDecoderRates(fields: ConfigFields): { dropout?: DropoutRates } {
  return ratesField({
    dropout: fields.rate('dropout_rate'),
    attentionDropout: fields.rate('attention_dropout'),
    classifierDropout: fields.rate('classifier_dropout_rate'),
  });
}
