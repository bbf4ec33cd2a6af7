import { NATIVE_MODES, PJRT_MODES } from './reference';
import { SPARING, trajectoryCases } from './trajectory-cases';

describe('ten steps of AdamW that spare memory, on the engine that compiles all', () => {
  trajectoryCases(
    [...NATIVE_MODES.filter((mode) => mode === 'xla'), ...PJRT_MODES].map((mode) => [mode, SPARING] as const),
  );
});
