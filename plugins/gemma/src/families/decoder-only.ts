/** What decoder-only models of all families have in common, besides their layers. */
import { LIMITS, type ConfigFields } from '../model/config-fields';
import type { DecoderOnlyConfig, SideConfig } from '../model/config-types';
import { decoderOnlyRates } from '../model/dropout-rates';
import type { ClassifierFormat } from './family';

/** A decoder-only model of these layers, in a file that says whether its output is the table of its embedding. */
export function readDecoderOnly(fields: ConfigFields, family: string, decoder: SideConfig): DecoderOnlyConfig {
  return {
    kind: 'decoder-only',
    family,
    decoder,
    initializerRange: fields.positive('initializer_range', LIMITS.deviation),
    ...(fields.boolean('tie_word_embeddings') ? {} : { untiedOutput: true }),
    ...decoderOnlyRates(fields),
  };
}

/** The classifiers of texts that are published for decoder-only models: a head without a bias over the last token. */
export const decoderOnlyClassifier = (sequence: string): ClassifierFormat => ({
  architectures: { sequence },
  head: { weight: 'score.weight' },
  ofEncoder: false,
});
