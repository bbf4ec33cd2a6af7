import { NATIVE_MODES } from './reference';
import { SPARING, trajectoryCases } from './trajectory-cases';

describe('ten steps of AdamW from the balanced checkpoint', () => {
  trajectoryCases([
    ...NATIVE_MODES.map((mode) => [mode, []] as const),
    ...NATIVE_MODES.filter((mode) => mode === 'graph').map((mode) => [mode, SPARING] as const),
  ]);
});
