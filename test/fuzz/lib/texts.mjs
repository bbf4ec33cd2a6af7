/** Mutations of YAML and of Jinja: pieces that their readers know, put anywhere. */
import { mutateText } from './bytes.mjs';

function piece(bytes, random, pieces) {
  const text = bytes.toString('latin1');
  const at = random.below(text.length + 1);
  const found = random.pick(pieces);
  const [between, end] = [
    typeof found === 'function' ? found(random) : found,
    random.chance(0.6) ? at : at + random.below(8),
  ];
  return Buffer.from(text.slice(0, at) + between + text.slice(end), 'latin1');
}

const YAML = [
  '&a ',
  '*a',
  '*b',
  '<<: *a\n',
  '<<: [*a, *a]\n',
  '!!binary ',
  '!!set ',
  '!!js/function ',
  '!!python/object:os.system ',
  '!!float ',
  '!!omap ',
  '!!timestamp ',
  '!local ',
  '? ',
  ': ',
  '- ',
  '- - - ',
  '{',
  '}',
  '[',
  ']',
  '|\n  ',
  '>+\n  ',
  '---\n',
  '...\n',
  '%YAML 1.9\n',
  '%TAG ! tag:x,2000:\n',
  '#',
  '"',
  "'",
  '~',
  'null',
  '__proto__: {polluted: 1}\n',
  'constructor: {prototype: {polluted: 1}}\n',
  '0x7fffffffffffffff',
  '1e999',
  '.nan',
  '.inf',
  '0o777',
  '2001-01-01',
  '"\\ud800"',
  '"\\x00"',
  '\t',
  '  ',
  '\n',
  'extends: c.yaml\n',
  'use: ',
  'x: &x [*x]\n',
  '\0',
  (random) => '['.repeat(random.pick([50, 600, 20_000])),
  (random) => `${'a: '.repeat(random.pick([2, 600]))}1\n`,
  (random) => Array.from({ length: random.pick([200, 3000]) }, (_, i) => `${' '.repeat(i)}a:\n`).join(''),
  (random) => `${'- '.repeat(random.pick([100, 5000]))}1\n`,
  () =>
    `x0: &x0 [1,1,1,1,1,1,1,1,1,1]\n${Array.from({ length: 9 }, (_, i) => `x${i + 1}: &x${i + 1} [${Array(9).fill(`*x${i}`).join(',')}]\n`).join('')}`,
  () =>
    `m: &m {${Array.from({ length: 300 }, (_, i) => `k${i}: 1`).join(', ')}}\nn: {<<: [${Array(300).fill('*m').join(', ')}]}\n`,
  () => `b: !!binary ${'A'.repeat(100_000)}\n`,
  () => `${'#'.repeat(100_000)}\n`,
  () => `"${'\\n'.repeat(50_000)}"`,
];

export function mutateYaml(bytes, random) {
  if (random.chance(0.35)) return mutateText(bytes, random);
  if (random.chance(0.3)) {
    const lines = bytes.toString('latin1').split('\n');
    const at = random.below(lines.length);
    const other = random.below(lines.length);
    const roll = random.below(4);
    if (roll === 0) lines.splice(at, 1);
    else if (roll === 1) lines.splice(other, 0, lines[at]);
    else if (roll === 2) lines[at] = `  ${lines[at]}`;
    else
      lines[at] = lines[at].replace(/:.*$/, `: ${random.pick(YAML.filter((one) => typeof one === 'string')).trim()}`);
    return Buffer.from(lines.join('\n'), 'latin1');
  }
  return piece(bytes, random, YAML);
}

const JINJA = [
  '{{ ',
  ' }}',
  '{% ',
  ' %}',
  '{%- ',
  ' -%}',
  '{# ',
  ' #}',
  '{% for a in messages %}',
  '{% endfor %}',
  '{% if x %}',
  '{% endif %}',
  '{% else %}',
  '{% set x = ',
  '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
  '{{ range(10000)|list }}',
  '{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}',
  "{{ 'x' * 999999999 }}",
  '{{ messages.__class__ }}',
  "{{ ''.constructor.constructor('return process')() }}",
  '{{ x.__proto__ }}',
  "{{ messages['constructor'] }}",
  '{% set ns = namespace(a=1) %}',
  '{{ ns.a }}',
  '|tojson',
  '|trim',
  '|length',
  '|join("' + 'x'.repeat(1000) + '")',
  '|upper',
  '|first',
  '|default(1)',
  "|map(attribute='a')",
  "|selectattr('a')",
  '[',
  ']',
  '(',
  ')',
  '.',
  "'",
  '"',
  ',',
  '~',
  '+',
  '-',
  '*',
  '/',
  '//',
  '%',
  '==',
  ' in ',
  ' not ',
  ' is defined',
  ' is string',
  ' and ',
  '9'.repeat(30),
  '1e9',
  'none',
  'loop.index0',
  'raise_exception("x")',
  'strftime_now("%Y")',
  '{% generation %}',
  '{% endgeneration %}',
  (random) => '('.repeat(random.pick([50, 5000])),
  (random) => '['.repeat(random.pick([50, 5000])),
  (random) => `{{ ${'not '.repeat(random.pick([50, 5000]))}x }}`,
  (random) => `{{ ${'x|trim'.repeat(1)}${'|trim'.repeat(random.pick([50, 5000]))} }}`,
  (random) => '{% if true %}'.repeat(random.pick([50, 3000])),
  (random) => ' '.repeat(random.pick([100, 4000, 60_000])),
  "{% set x = 'aaaaaaaaaaaaaaaa' %}{% for i in range(64) %}{% set x = x ~ x %}{% endfor %}",
  "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
  "{% set ns = namespace(x=['a']) %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
  "{{ messages|map(attribute='content')|join(',')|replace('e', 'eeeeeeeeeeeeeeee')|replace('e', 'eeeeeeeeeeeeeeee')|replace('e', 'eeeeeeeeeeeeeeee')|replace('e', 'eeeeeeeeeeeeeeee')|replace('e', 'eeeeeeeeeeeeeeee')|replace('e', 'eeeeeeeeeeeeeeee') }}",
];

export function mutateJinja(bytes, random) {
  return random.chance(0.3) ? mutateText(bytes, random) : piece(bytes, random, JINJA);
}
