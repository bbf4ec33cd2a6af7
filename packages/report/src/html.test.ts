import fc from 'fast-check';
import { embedJson, escapeHtml, formatNumber, formatSeconds, htmlTable, textCell } from './html';

test('escaping keeps text inside its element and attribute', () => {
  expect(escapeHtml(`<b title="x">'&`)).toBe('&lt;b title=&quot;x&quot;&gt;&#39;&amp;');
});

test('embedded JSON cannot end its script element and can be parsed again', () => {
  expect(embedJson({ name: '</script><script>alert(1)' })).not.toContain('<');
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = embedJson(value);
      expect(text).not.toMatch(/[<\u2028\u2029]/);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('numbers and durations are rounded for readers', () => {
  const shown = [0.1 + 0.2, 12345.678, 1e6, 0.00001234, null, undefined, 1.9].map(formatNumber);
  expect(shown).toEqual(['0.3', '12,346', '1,000,000', '1.23e-5', 'not a number', '', '1.9']);
  expect([5.25, 600, 4000].map(formatSeconds)).toEqual(['5.3 s', '10 min', '1 h 7 min']);
});

test('a table has a caption and row headings, and marks the best value in words too', () => {
  const table = htmlTable(
    'A & B',
    [textCell('run')],
    [[textCell('x', { heading: true, run: 3 }), textCell('1', { best: true, numeric: true, value: 1.25 })]],
  );
  expect(table).toContain('<caption>A &amp; B</caption>');
  expect(table).toContain(
    '<tr data-run="3"><th scope="row">x</th><td class="number best" data-value="1.25">1<span class="sr"> (best)</span></td>',
  );
});
