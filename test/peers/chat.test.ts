import { findChatTemplate, GEMMA_MARKERS, ChatFormat, HuggingFaceTokenizer, openChatFormat, type ChatMessage } from '@graft/text';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';
import { realTokenizer, type RealTokenizer } from '../support/real-tokenizers';

const isThere = hasModules('transformers');

type Tried<T> = ({ readonly error?: undefined } & T) | { readonly error: string };

interface Published {
  readonly own: readonly Tried<{ text: string; prompt: string; ids: number[] }>[];
  readonly others: readonly (readonly Tried<{ text: string; marked?: string[] }>[])[];
}

let state = 11;
const draw = (below: number): number => (state = (state * 48271) % 0x7fffffff) % below;
const pick = <T>(list: readonly T[]): T => list[draw(list.length)];

const PIECES = [' ', '  ', '\n', '\n\n', '\r\n', '\t', '\ufeff', '\u0085', '\x1c', '\x1f', '\u2003', '\u3000', '\u200b', 'a'];
PIECES.push('The answer', ' is 4.', 'naïve', 'e\u0301', '漢字', 'привет', 'עברית', '😀', '👩‍👩‍👧', "'", '"', '\\', '{{ x }}', '{% if %}');
PIECES.push('<b>', '<think>', '</think>', '<tool_response>', '&amp;', '0.10', '12345678901234567890', 'İ', 'ß', '\u2028');

const text = (): string => Array.from({ length: 1 + draw(7) }, () => pick(PIECES)).join('') || 'x';
const CASES = 200;

function conversation(): ChatMessage[] {
  const messages: ChatMessage[] = draw(3) === 0 ? [{ role: 'system', content: text() }] : [];
  const turns = 1 + draw(5);
  for (let i = 0; i < turns; i++) messages.push({ role: i % 2 === 0 ? 'user' : 'assistant', content: text() });
  // Now and then one that templates may refuse.
  if (draw(8) === 0) messages.push({ role: pick(['user', 'system', 'assistant', 'tool']), content: text() });
  return messages;
}

/** What templates do beside what the four do: scope of loops, filters, marks of what is generated. */
const TEMPLATES = [
  "{% for m in messages %}{% if loop.first %}{% set first = m.role %}{% endif %}[{{ first }}|{{ loop.index }}/{{ loop.length }}]{{ m['content'].strip('\\n ') }}\n{% endfor %}",
  "{% set ns = namespace(n=0) %}{% for m in messages if m.role != 'system' %}{% set ns.n = ns.n + m.content | length %}{{ m.content | trim | tojson }},{% else %}none{% endfor %}{{ ns.n }}",
  '{%- macro turn(m, tail="!") -%}\n  <{{ m.role | upper }}> {{ m.content.split("\\n")[0].rstrip() }}{{ tail }}\n{%- endmacro -%}\n{% for m in messages[::-1] %}\n    {{- turn(m) }}\n    {%- if not loop.last %} | {% endif %}\n{% endfor %}',
  "{% for m in messages %}{% if m.role == 'assistant' %}A: {% generation %}{{ m.content }}\n{% endgeneration %}{% else %}Q: {{ m.content }}\n\n{% endif %}{% endfor %}",
  "{{ bos_token is defined }}{% if tools %}t{% endif %}{{ messages | map(attribute='role') | join('>') }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ (messages | last).role in ['user', 'tool'] }}{{ add_generation_prompt }}",
];
const NAMED: Readonly<Partial<Record<RealTokenizer, object>>> = {
  llama3: { padToken: '<|end_of_text|>' },
  qwen3: { bosToken: '<|endoftext|>' },
};

/** `describe.each` cannot skip with a reason. */
for (const name of ['gemma2', 'gemma3', 'llama3', 'qwen3'] as const) {
  const found = isThere ? realTokenizer(name) : { missing: 'the published library is not installed; `npm run test:peers` does it' };
  describeIf('folder' in found, 'missing' in found ? found.missing : '', `the published chat template of ${name}`, () => {
    const folder = 'folder' in found ? found.folder : '';
    const conversations = Array.from({ length: CASES }, conversation);
    let published: Published;
    let tokenizer: HuggingFaceTokenizer;

    beforeAll(async () => {
      const base = temporaryFolder();
      const [given, templates, output] = ['conversations', 'templates', 'said'].map((file) => join(base, `${file}.json`));
      writeFileSync(given, JSON.stringify(conversations));
      writeFileSync(templates, JSON.stringify(TEMPLATES));
      const args = [join(__dirname, 'chat.py'), folder, given, templates, output];
      const { status, stderr } = spawnSync(PYTHON, args, { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
      published = JSON.parse(readFileSync(output, 'utf8')) as Published;
      tokenizer = await HuggingFaceTokenizer.open({ path: folder, ...NAMED[name] });
    }, 300_000);

    const attempt = (make: () => string): string | undefined => {
      try {
        return make();
      } catch {
        return undefined;
      }
    };

    test(`${CASES} conversations have the published text, prompt and ids, or are refused as published`, async () => {
      const format = await openChatFormat([folder], tokenizer);
      let refused = 0;
      conversations.forEach((messages, i) => {
        const expected = published.own[i];
        if (expected.error !== undefined) {
          expect(() => format.prompt(messages)).toThrow(expected.error);
          refused++;
          return;
        }
        expect(format.render(messages)).toBe(expected.text);
        expect(format.prompt(messages)).toBe(expected.prompt);
        expect([...tokenizer.encode(format.prompt(messages))]).toEqual(expected.ids);
      });
      process.stdout.write(`  ${name}: ${CASES - refused} conversations rendered and tokenised alike, ${refused} refused alike\n`);
      expect(refused).toBeLessThan(CASES / 2);
    });

    test.each(TEMPLATES.map((template, i) => [i, template] as const))('template %i renders and marks conversations as published', async (i, template) => {
      const file = join(temporaryFolder(), 't.jinja');
      writeFileSync(file, template);
      writeFileSync(join(file, '..', 'tokenizer_config.json'), readFileSync(join(folder, 'tokenizer_config.json')));
      const format = (await findChatTemplate(file, tokenizer))!;
      conversations.forEach((messages, j) => {
        const expected = published.others[i][j];
        expect([messages, attempt(() => format.render(messages))]).toEqual([
          messages,
          expected.error === undefined ? expected.text : undefined,
        ]);
        if (expected.error !== undefined || !expected.marked?.some((one) => one !== '')) return;
        const targets = format.answers(messages, 'every').map(({ target }) => target);
        expect(targets).toEqual(expected.marked);
      });
    });

    if (name === 'gemma3')
      test("Gemma's markup is what Gemma 3's template writes after <bos>", () => {
        const format = ChatFormat.ofMarkers(GEMMA_MARKERS, tokenizer);
        conversations.forEach((messages, i) => {
          const expected = published.own[i];
          const got = attempt(() => format.prompt(messages));
          // That template writes any role where an answer is due; the markup knows three.
          const known = messages.every(({ role }, at) => role !== 'tool' && (role !== 'system' || at === 0));
          expect(got).toBe(known && expected.error === undefined ? expected.prompt.replace(/^<bos>/, '') : undefined);
        });
      });
  });
}
