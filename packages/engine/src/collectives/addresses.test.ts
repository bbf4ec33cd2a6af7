import { checkWorkers, formatAddress, parseAddress } from './addresses';

test.each(['node-1:7000', '10.0.0.1:1', '[fe80::1]:65535'])('%s is an address', (text) => {
  expect(formatAddress(parseAddress(text))).toBe(text);
});

test.each(['node-1', ':7000', 'node-1:0', 'node-1:70000', 'a b:1', 'fe80::1:7000', 'http://a:1', ''])(
  '"%s" is none, and is named',
  (text) => {
    expect(() => parseAddress(text)).toThrow(`"${text}" is not the address of a worker; expected host:port`);
  },
);

test('a list names each worker once, at least two, and the rank is a place in it', () => {
  expect(checkWorkers(['a:1', 'a:2'], 1)).toHaveLength(2);
  expect(() => checkWorkers(['a:1', 'b:1', 'a:1'], 0)).toThrow('names a:1 twice');
  expect(() => checkWorkers(['a:1'], 0)).toThrow('two workers or more');
  expect(() => checkWorkers(['a:1', 'b:1'], 2)).toThrow("Rank 2 is none of the 2 workers': they are 0 to 1.");
  expect(() => checkWorkers(['a:1', 'b:1'], NaN)).toThrow('Rank NaN');
});
