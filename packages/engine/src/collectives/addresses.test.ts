import { checkWorkers, formatAddress, parseAddress } from './addresses';

test.each(['node-1:7000', '10.0.0.1:1', '[fe80::1]:65535'])('the address %s is parsed', (text) => {
  expect(formatAddress(parseAddress(text))).toBe(text);
});

test.each(['node-1', ':7000', 'node-1:0', 'node-1:70000', 'a b:1', 'fe80::1:7000', 'http://a:1', ''])(
  '"%s" is rejected as an address and quoted in the error',
  (text) => {
    expect(() => parseAddress(text)).toThrow(`"${text}" is not the address of a worker; expected host:port`);
  },
);

test('a list needs at least two workers without duplicates, and the rank must be in it', () => {
  expect(checkWorkers(['a:1', 'a:2'], 1)).toHaveLength(2);
  expect(() => checkWorkers(['a:1', 'b:1', 'a:1'], 0)).toThrow('names a:1 twice');
  expect(() => checkWorkers(['a:1'], 0)).toThrow('two workers or more');
  expect(() => checkWorkers(['a:1', 'b:1'], 2)).toThrow("Rank 2 is none of the 2 workers': they are 0 to 1.");
  expect(() => checkWorkers(['a:1', 'b:1'], NaN)).toThrow('Rank NaN');
});
