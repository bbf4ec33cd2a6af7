import { generationCase } from './generation-cases';
import { COMPILING_MODES } from './reference';

describe('the published decoding of an unbalanced model on engines that compile', () => {
  generationCase('t5gemma-tiny-unbalanced', COMPILING_MODES);
});
