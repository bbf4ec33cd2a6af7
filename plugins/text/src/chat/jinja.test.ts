import { DataError } from '@graft/core';
import { JinjaTemplate } from './jinja';
import { pythonStrip, strftime } from './python-text';

const render = (source: string, variables: object = {}): string =>
  new JinjaTemplate(source, 'a.jinja').render(variables as Record<string, unknown>);

test.each<[string, object, string]>([
  ["{{ x | trim }}|{{ ' a ' | trim }}", { x: '\x1c\u2003a\ufeff\x85\n' }, 'a\ufeff|a'],
  ["{{ x.strip('\\n') }}|", { x: '\n a \n' }, ' a |'],
  ["{{ x.lstrip('\\n') }}|{{ x.rstrip() }}|", { x: '\n a \n' }, ' a \n|\n a|'],
  ["{{ 'xyx' | trim('x') }}", {}, 'y'],
  [
    "{{ x.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') }}",
    { x: '<think>\n a \n</think>b' },
    ' a ',
  ],
  // Variables set in a loop are forgotten after the round, as in Python's engine.
  ['{% for i in [1, 2, 3] %}{% if i == 1 %}{% set x = i %}{% endif %}[{{ x }}]{% endfor %}', {}, '[1][][]'],
  ['{% set x = 0 %}{% for i in [1, 2] %}{% set x = x + i %}[{{ x }}]{% endfor %}{{ x }}', {}, '[1][2]0'],
  ['{% set n = namespace(x=0) %}{% for i in [1, 2] %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}', {}, '3'],
  ['{{ true }}{{ none }}{{ nothing }}{{ 1.0 }}{{ true ~ 1 }}{{ false | string }}', {}, 'TrueNone1.0True1False'],
  ['{{ x | length }}{{ [1, x] | length }}', { x: '😀é' }, '22'],
  [
    "{{ 1 == '1' }} {{ 1 == true }} {{ nothing == none }} {{ [1, 'a'] == [1, 'a'] }} {{ 'a' != 1 }}",
    {},
    'False True False True True',
  ],
  ['{% for i in range(2, 8, 3) %}{{ i }}{% endfor %}', {}, '25'],
  ['{% if tools is defined and tools %}t{% else %}-{% endif %}', { tools: null }, '-'],
  ['a{% generation %}b{% endgeneration %}\nc', {}, 'abc'],
])('the template %s renders as in Jinja', (source, variables, expected) => {
  expect(render(source, variables)).toBe(expected);
});

test('marks enclose what the template marks as generated, with the requested whitespace control', () => {
  const marks = { generationMarks: ['<', '>'] } as const;
  const template = new JinjaTemplate('  {%- generation -%}\n a {% endgeneration %}\n b', 'a.jinja');
  expect(template.marksAnswers).toBe(true);
  expect(template.render({}, marks)).toBe('<a > b');
  expect(new JinjaTemplate('a', 'a.jinja').marksAnswers).toBe(false);
});

test.each<[string, string, RegExp]>([
  [
    'chat.refused',
    "{{ raise_exception('No system role.') }}",
    /^The chat template of a\.jinja refuses the conversation: No system role\.$/,
  ],
  ['chat.template', '{% if %}', /^The chat template of a\.jinja cannot be read: /],
  ['chat.template', '{{ x', /^The chat template of a\.jinja cannot be read: /],
  ['chat.template', '{%+ if true %}{% endif %}', /cannot be read: "\{%\+" is not supported/],
  ['chat.template', "{{ 'a'.nonsense() }}", /^The chat template of a\.jinja cannot be rendered: /],
  ['chat.template', "{{ 'a' + 1 }}", /cannot be rendered: \+ joins a text with something that is not one/],
  ['chat.template', '{{ [1] }}', /cannot be rendered: it writes a list, an object or a function as text/],
  ['chat.template', "{{ strftime_now('%Q') }}", /cannot be rendered: strftime_now does not know "%Q"/],
  [
    'chat.template-limit',
    '{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}',
    /takes more than (500,000 steps|3 s)/,
  ],
  ['chat.template-limit', '{% for i in range(10 ** 9) %}{% endfor %}', /counts over more than 10,000 numbers/],
  [
    'chat.template-limit',
    "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    /makes a text of more than 16,777,216 characters/,
  ],
  ['chat.template-limit', `{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`, /nests too deeply/],
  ['chat.template-limit', `{{ 1 }}${' '.repeat(5000)}{{ 2 }}`, /has more than 4,096 blanks in one place/],
  ['chat.template-limit', 'x'.repeat(2 ** 20 + 1), /is longer than 1,048,576 characters/],
])('the error %s names the file', (code, source, message) => {
  const error = ((): unknown => {
    try {
      return render(source);
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(error).toBeInstanceOf(DataError);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
});

test('strip removes whole characters, not halves of surrogate pairs', () => {
  expect(pythonStrip('😀a😀', 'strip', '😀')).toBe('a');
  expect(pythonStrip('😀a', 'lstrip', '😁')).toBe('😀a');
});

test('dates are those of the C locale', () => {
  const date = new Date(2026, 1, 3, 15, 4, 5);
  expect(strftime(date, '%d %b %Y, %A %B, %H:%M:%S %I %p %y %m %%')).toBe(
    '03 Feb 2026, Tuesday February, 15:04:05 03 PM 26 02 %',
  );
});

describe('a template that needs too much time or memory', () => {
  const messages = [{ role: 'user', content: 'x'.repeat(100_000) }];
  const doubled = (times: number): string =>
    "{% set ns = namespace(a='aaaaaaaa') %}{% for i in range(".concat(
      `${times}) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}`,
    );
  const nested = '{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}';

  it.each<[string, string, RegExp]>([
    [
      'by loops in loops',
      '{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}',
      /steps|more than 3 s/,
    ],
    [
      'by a macro that calls itself',
      '{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}',
      /nests too deeply|steps|more than 3 s/,
    ],
    [
      'by a macro that calls itself twice',
      '{% macro f(n) %}{% if n < 50 %}{{ f(n + 1) }}{{ f(n + 1) }}{% endif %}{% endmacro %}{{ f(0) }}',
      /steps|more than 3 s/,
    ],
    [
      'by a list that doubles',
      '{% set ns = namespace(a=[1]) %}{% for i in range(40) %}{% set ns.a = ns.a + ns.a %}{% endfor %}',
      /a list of more than|steps|more than 3 s/,
    ],
    ['by JSON of lists that hold a list twice', `${nested}{{ ns.a | tojson }}`, /a text of more than/],
    ['by a join of lists that hold a list twice', `${nested}{{ ns.a | join }}`, /a text of more than/],
    [
      'by comparing lists that hold a list twice',
      `${nested}{% set b = ns.a %}${nested}{{ b == ns.a }}`,
      /steps|more than 3 s/,
    ],
    ['by an indent of a billion', "{{ 'a\n\n' | indent(1000000000, true, true) }}", /a text of more than/],
    ['by an indent of JSON of a billion', '{{ [[1]] | tojson(indent=1000000000) }}', /a text of more than/],
    ['by long separators', `${doubled(18)}{{ [1, 2, 3, 4, 5, 6, 7, 8, 9] | join(ns.a) }}`, /a text of more than/],
    ['by a replacement', `${doubled(18)}{{ messages[0].content.replace('x', ns.a) }}`, /a text of more than/],
    [
      'by a replacement of nothing',
      `${doubled(18)}{{ messages[0].content | replace('', ns.a) }}`,
      /a text of more than/,
    ],
    [
      'by repeated passes over long texts',
      `${doubled(20)}{% for i in range(9999) %}{% if ns.a | upper == 'b' %}{% endif %}{% endfor %}`,
      /steps|more than 3 s/,
    ],
    [
      'by repeated splits of long texts',
      `${doubled(20)}{% for i in range(9999) %}{% set b = ns.a.split('a') %}{% endfor %}`,
      /steps|more than 3 s/,
    ],
  ])('a template that grows %s is stopped', (_, template, reason) => {
    let thrown: unknown;
    try {
      render(template, { messages });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'chat.template-limit', message: expect.stringMatching(reason) as string });
  });

  it.each<[string, string]>([
    [
      'loops without a body over a long list',
      '{% for i in range(9999) %}{% for j in ns.a %}{% break %}{% endfor %}{% endfor %}',
    ],
    ['blanks without an end', ('{{' + ' '.repeat(4000)).repeat(50)],
    ['brackets within brackets', `{{ ${'['.repeat(100_000)} }}`],
    ['unclosed comments', '{#'.repeat(100_000)],
    ['a long chain of filters', `{{ 'a' ${'| trim '.repeat(50_000)} }}`],
    ['a long chain of members', `{{ a${'.b'.repeat(50_000)} }}`],
  ])('rendering ends for %s', (_, template) => {
    try {
      render(template, { ns: { a: Array.from({ length: 100_000 }, () => 1) } });
    } catch (error) {
      expect(error).toBeInstanceOf(DataError);
    }
  });

  it('a long conversation stays within the limits', () => {
    const long = Array.from({ length: 2000 }, (__, i) => ({
      role: i % 2 ? 'assistant' : 'user',
      content: 'a b '.repeat(200),
    }));
    const template =
      "{% for m in messages %}{{ '<start_of_turn>' + m['role'] + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% if not loop.last and messages[loop.index0 + 1].role == m.role %}{{ raise_exception('no') }}{% endif %}{% endfor %}";
    expect(render(template, { messages: long })).toHaveLength(2000 * (15 + 1 + 799 + 14) + 1000 * (4 + 9));
  });

  it("the parser's internal errors become errors in the words of templates", () => {
    for (const open of ['{% macro m(a) %}x', '{% for a in b %}x', '{% if a %}x', '{{ a.b('])
      expect(() => new JinjaTemplate(open, 'a.jinja')).toThrow(
        /^The chat template of a\.jinja cannot be read: a part of it is missing, or is of another kind than it should be\.$/,
      );
  });
});
