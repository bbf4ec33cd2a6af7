import { csv } from './csv';

it('cells with separators, quotes or line breaks are quoted, and objects are JSON', () => {
  const row = ['a', 'b, c', 'say "x"', 'two\nlines', 0.5, undefined, null, { use: 'lion' }, true];
  expect(csv([row, ['end']])).toBe('a,"b, c","say ""x""","two\nlines",0.5,,,"{""use"":""lion""}",true\nend\n');
});
