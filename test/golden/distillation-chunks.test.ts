import { BLEND, chunkCases, GEMMA3 } from './distillation-chunks';

// In bfloat16, XLA is slow: the slow tests have it.
chunkCases([
  ['portable', 'float32', BLEND],
  ['eager', 'float32', GEMMA3],
  ['graph', 'bfloat16', BLEND],
  ['graph', 'bfloat16', GEMMA3],
  ['xla', 'float32', BLEND],
]);
