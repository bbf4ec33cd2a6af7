import { generationCase, severalEndsCase } from './generation-cases';
import { NATIVE_MODES } from './reference';

severalEndsCase(1);

describe('the published decoding of an unbalanced model on the other engines', () => {
  generationCase(
    't5gemma-tiny-unbalanced',
    NATIVE_MODES.filter((mode) => mode !== 'graph'),
  );
});
