import { engineCases, halvesCases, MODELS, rematerializationCases } from './dropout-cases';
import { COMPILING_MODES, NATIVE_MODES, PJRT_MODES } from './reference';

describe('dropout on engines that compile', () => {
  const model = MODELS['an encoder-decoder'];
  engineCases(
    model,
    NATIVE_MODES.filter((mode) => mode === 'mixed'),
  );
  rematerializationCases(model, [...COMPILING_MODES, ...PJRT_MODES]);
  halvesCases(model, [...NATIVE_MODES.filter((mode) => mode === 'xla'), ...PJRT_MODES]);
});
