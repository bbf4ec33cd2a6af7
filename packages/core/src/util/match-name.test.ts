import fc from 'fast-check';
import { matchesName } from './match-name';

it.each([
  ['model.norm.weight', 'model.norm.weight', true],
  ['model.norm.weight', 'norm', false],
  ['model.decoder.norm.weight', '*.norm.*', true],
  ['model.decoder.norm.weight', '*norm*weight', true],
  ['model.decoder.norm.weight', '*norm', false],
  ['ab', 'ab*b', false],
  ['x.y', 'x?y', false],
  ['anything', '*', true],
])('matching the name %s against %s gives %s', (name, pattern, expected) => {
  expect(matchesName(name, pattern)).toBe(expected);
});

it('matching agrees with a regular expression', () => {
  const text = fc.array(fc.constantFrom('a', 'b', '.'), { maxLength: 8 }).map((parts) => parts.join(''));
  const pattern = fc
    .array(fc.constantFrom('a', 'b', '.', '*'), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, pattern, (name, glob) => {
      const expression = new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
      expect(matchesName(name, glob)).toBe(expression.test(name));
    }),
    { numRuns: 500 },
  );
});
