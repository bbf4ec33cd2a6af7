/**
 * `@graft/gemma/internal`: what Graft's own packages share: the names and defaults of published configs.
 * It changes without notice and is not for other plugins.
 */
export { encoderOf, tokensOf, withIdleDecoder } from './model/config';
export { checkPair } from './families/pair';
export { classifierOf, isClassifier } from './heads/classifier-folder';
export {
  COMMON_KEYS,
  DEFAULT_ROPE_THETA,
  OWN_KEYS,
  REFUSED_KEYS,
  ROTARY_KEYS,
  type KeyUse,
  type PublishedKey,
} from './model/published-defaults';
export { GEMMA2_KEYS } from './families/gemma2';
export { T5GEMMA_KEYS, T5GEMMA_SECTION_KEYS } from './families/t5gemma';
export {
  DECODER_EMBEDDING,
  DECODER_ONLY_EMBEDDING,
  ENCODER_EMBEDDING,
  outputName,
  TIED_OUTPUT_NAMES,
} from './model/names';
export { GEMMA_MODEL_TYPES } from './model/config';
