import { decoderOnlyCase, encoderDecoderCase } from './forward-cases';
import { COMPILING_MODES, NATIVE_MODES } from './reference';

const mixed = NATIVE_MODES.filter((mode) => mode === 'mixed');

describe('the published forward pass in the cases that forward.test.ts leaves out', () => {
  encoderDecoderCase('t5gemma-tiny-balanced', { inclusive: [], strict: mixed });
  encoderDecoderCase('t5gemma-tiny-unbalanced', { inclusive: mixed, strict: COMPILING_MODES });
  decoderOnlyCase('gemma2-tiny-wide', mixed);
  decoderOnlyCase('gemma2-tiny-sharded-bf16', COMPILING_MODES, 'expected_logits.st');
});
