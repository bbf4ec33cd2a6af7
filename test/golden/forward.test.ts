import { decoderOnlyCase, encoderDecoderCase, labelsCase } from './forward-cases';
import { NATIVE_MODES, PJRT_MODES, QUICK_NATIVE_MODES, SLOW_PJRT_MODES } from './reference';

const withXla = NATIVE_MODES.filter((mode) => mode !== 'mixed');

// Every engine computes every output; what repeats that with another model or window is slow where XLA compiles.
describe('the published forward pass', () => {
  encoderDecoderCase('t5gemma-tiny-balanced', {
    inclusive: ['portable', ...NATIVE_MODES, ...PJRT_MODES],
    strict: ['portable', ...withXla],
  });
  encoderDecoderCase('t5gemma-tiny-unbalanced', {
    inclusive: [...withXla, ...SLOW_PJRT_MODES],
    strict: QUICK_NATIVE_MODES,
  });
  labelsCase('t5gemma-tiny-balanced', 'portable');
  labelsCase('t5gemma-tiny-unbalanced', 'portable');
  decoderOnlyCase('gemma2-tiny', ['portable', ...NATIVE_MODES, ...PJRT_MODES]);
  decoderOnlyCase('gemma2-tiny-wide', withXla);
  decoderOnlyCase('gemma2-tiny-sharded-bf16', QUICK_NATIVE_MODES, 'expected_logits.st');
});
