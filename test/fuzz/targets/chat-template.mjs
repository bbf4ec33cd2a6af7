import { BytesTokenizer, openChatFormat } from '@graft/text';
import { json } from './support.mjs';

const GEMMA = `{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}`;
const LARGE = `{%- set ns = namespace(last=-1, names=[]) -%}
{%- for m in messages -%}{%- set ns.last = loop.index0 -%}{%- if m.content is string -%}{{ m.role | upper ~ ': ' ~ m.content.strip() }}{%- else -%}{% for part in m.content %}{{ part.text | default('', true) }}{% endfor %}{%- endif -%}
{% generation %}{{ (m | tojson)[:10] }}{% endgeneration %}{{ '\\n' if not loop.last else '' }}{%- endfor -%}
{% macro row(a, b=2) %}[{{ a }}|{{ b }}]{% endmacro %}{{ row(ns.last) }}{{ range(3) | join(', ') }}{{ {'a': 1}.items() | list | length }}{{ strftime_now('%Y-%m-%d') }}`;

const MESSAGES = [
  { role: 'user', content: 'What is 2+2?' },
  { role: 'assistant', content: ' 4 \u{1f600} ' },
  { role: 'user', content: 'And 3+3? '.repeat(20) },
  { role: 'assistant', content: '6' },
];

export default {
  what: 'chat templates: chat_template.jinja, tokenizer_config.json',
  ownWords:
    /Cannot (perform operation \S+ on undefined values|call something that is not a function|access property with non-\S+)|Slice \w+ must be numeric or undefined|'\w+' object is not iterable/,
  seeds: async () => [
    { 'chat_template.jinja': Buffer.from(GEMMA) },
    { 'chat_template.jinja': Buffer.from(LARGE) },
    {
      'tokenizer_config.json': json({
        bos_token: '<bos>',
        chat_template: [
          { name: 'default', template: GEMMA },
          { name: 'rag', template: LARGE },
        ],
      }),
    },
  ],
  async check(folder) {
    const format = await openChatFormat([folder], new BytesTokenizer(), { now: new Date(0) });
    format.render(MESSAGES);
    format.prompt(MESSAGES.slice(0, 3));
    format.answers(MESSAGES, 'last');
    format.endOfTurn();
  },
};
