import { NATIVE_MODES, PJRT_MODES } from './reference';
import { SPARING, trajectoryCases } from './trajectory-cases';

describe('ten steps of AdamW from the balanced checkpoint', () => {
  trajectoryCases([
    ...[...NATIVE_MODES, ...PJRT_MODES].map((mode) => [mode, []] as const),
    // The slow tests have those that compile.
    ...NATIVE_MODES.filter((mode) => mode === 'graph').map((mode) => [mode, SPARING] as const),
  ]);
});
