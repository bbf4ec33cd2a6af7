/**
 * `@graft/gemma/internal`: what Graft's own packages share: the names and defaults of published configs.
 * It changes without notice and is not for other plugins.
 */
export { checkPair, encoderOf, SIDE_DEFAULTS, tokensOf, withIdleDecoder } from './model/config';
export {
  COMMON_KEYS,
  DEFAULT_ROPE_THETA,
  GEMMA2_KEYS,
  OWN_KEYS,
  REFUSED_KEYS,
  ROTARY_KEYS,
  T5GEMMA_KEYS,
  T5GEMMA_SECTION_KEYS,
  type KeyUse,
  type PublishedKey,
} from './model/published-defaults';
export {
  DECODER_EMBEDDING,
  DECODER_ONLY_EMBEDDING,
  ENCODER_EMBEDDING,
  outputName,
  TIED_OUTPUT_NAMES,
} from './model/parameters';
export { GEMMA_MODEL_TYPES } from './model/config';
