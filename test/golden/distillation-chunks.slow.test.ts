import { chunkCases, GEMMA3 } from './distillation-chunks';

chunkCases([['xla', 'bfloat16', GEMMA3]]);
