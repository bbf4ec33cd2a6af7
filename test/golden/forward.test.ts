import { decoderOnlyCase, encoderDecoderCase, labelsCase } from './forward-cases';
import { NATIVE_MODES, PJRT_MODES, QUICK_NATIVE_MODES, SLOW_PJRT_MODES } from './reference';

// Every engine computes every output; the slow tests have what repeats that with another model or window where XLA compiles.
describe('the published forward pass', () => {
  encoderDecoderCase('t5gemma-tiny-balanced', {
    inclusive: ['portable', ...NATIVE_MODES, ...PJRT_MODES],
    strict: ['portable', ...QUICK_NATIVE_MODES],
  });
  encoderDecoderCase('t5gemma-tiny-unbalanced', {
    inclusive: [...QUICK_NATIVE_MODES, ...SLOW_PJRT_MODES],
    strict: QUICK_NATIVE_MODES,
  });
  labelsCase('t5gemma-tiny-balanced', 'portable');
  labelsCase('t5gemma-tiny-unbalanced', 'portable');
  decoderOnlyCase('gemma2-tiny', ['portable', ...NATIVE_MODES, ...PJRT_MODES]);
  decoderOnlyCase('gemma2-tiny-wide', QUICK_NATIVE_MODES);
  decoderOnlyCase('gemma2-tiny-sharded-bf16', QUICK_NATIVE_MODES, 'expected_logits.st');
});
