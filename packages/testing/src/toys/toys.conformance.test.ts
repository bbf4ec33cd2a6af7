/** The toys keep the rules that the suite checks: what it finds in a component is a mistake of the component. */
import { conformance, ToyDataset, toyFamily, toyInitializer, ToyTokenizer, type Check } from '../index';

const all = (checks: readonly Check[]): void => checks.forEach(({ name, run }) => test(name, run));

describe('the toy tokenizer', () => {
  all(conformance.tokenizer(() => new ToyTokenizer(), { texts: ['abc', 'the end.'] }));
});

describe.each([1, 3, Infinity])('the toy dataset with %d epochs', (epochs) => {
  all(conformance.dataset(() => new ToyDataset({ items: 5, epochs })));
});

describe.each(['encoder-decoder', 'decoder-only', 'encoder-only'] as const)('the toy family as %s', (kind) => {
  all(conformance.model(() => toyFamily({ kind })));
});

describe('the toy initializer', () => {
  all(conformance.initializer(() => toyInitializer()));
});
