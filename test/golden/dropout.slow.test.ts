import { halvesCases, MODELS, rematerializationCases } from './dropout-cases';
import { NATIVE_MODES, PJRT_MODES } from './reference';

describe('dropout on engines that compile', () => {
  const model = MODELS['an encoder-decoder'];
  rematerializationCases(model, [...NATIVE_MODES.filter((mode) => mode === 'mixed'), ...PJRT_MODES]);
  halvesCases(model, [...NATIVE_MODES.filter((mode) => mode === 'xla'), ...PJRT_MODES]);
});
