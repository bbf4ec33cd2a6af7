import { decoderOnlyCase, encoderDecoderCase } from './forward-cases';
import { COMPILING_MODES } from './reference';

describe('the published forward pass in the cases that forward.test.ts leaves out', () => {
  encoderDecoderCase('t5gemma-tiny-balanced', { inclusive: [], strict: COMPILING_MODES });
  encoderDecoderCase('t5gemma-tiny-unbalanced', { inclusive: COMPILING_MODES, strict: COMPILING_MODES });
  decoderOnlyCase('gemma2-tiny-wide', COMPILING_MODES);
  decoderOnlyCase('gemma2-tiny-sharded-bf16', COMPILING_MODES, 'expected_logits.st');
});
