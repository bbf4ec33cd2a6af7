import { forwardCase, generationCase } from './families-cases';
import { QUICK_NATIVE_MODES } from './reference';

const MODES = ['portable', ...QUICK_NATIVE_MODES.filter((mode) => mode === 'graph')] as const;

describe('the published Gemma 3', () => {
  forwardCase('gemma3-tiny', MODES);
  generationCase('gemma3-tiny', MODES);
});

describe('the published Llama', () => {
  forwardCase('llama-tiny', MODES);
  forwardCase('llama-tiny-untied', MODES);
  generationCase('llama-tiny', MODES);
  generationCase('llama-tiny-untied', MODES);
});

describe('the published Qwen 3', () => {
  forwardCase('qwen3-tiny', MODES);
  generationCase('qwen3-tiny', MODES);
});

describe('the published T5Gemma 2', () => {
  forwardCase('t5gemma2-tiny', MODES);
  generationCase('t5gemma2-tiny', MODES);
});
