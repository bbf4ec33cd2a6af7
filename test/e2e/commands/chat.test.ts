import { writeHostTensors } from '@graft/checkpoint';
import { HuggingFaceTokenizer } from '@graft/text';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tokenizerJson } from '../../../plugins/text/test-support/tokenizer-json';
import { temporaryFolder } from '../../support';
import { fixture, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const model = join(folder, 'model');
/** The template puts nothing around a question, and `<stop>` behind an answer. */
const TEMPLATE =
  "{% for m in messages %}{{ m.content | trim }}{% if m.role == 'assistant' %}<stop>{% endif %}{% endfor %}";
const QUESTION = 'the and';
const base = ['generate', '--model', model, '--engine', 'portable'];
let greedy: number[];
let words: (ids: number[]) => string;

interface AddedToken {
  id: number;
  content: string;
}

beforeAll(async () => {
  cpSync(fixture('gemma2-tiny-it'), model, { recursive: true });
  writeFileSync(join(model, 'generation_config.json'), '{"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}');
  const json = tokenizerJson() as { added_tokens: AddedToken[]; model: { vocab: Record<string, number> } };
  const file = join(model, 'tokenizer.json');
  writeFileSync(file, JSON.stringify(json));
  let tokenizer = await HuggingFaceTokenizer.open({ path: model });
  const ids = Int32Array.of(2, ...tokenizer.encode(QUESTION));
  const inputs = join(folder, 'in.safetensors');
  await writeHostTensors(inputs, { input_ids: { dtype: 'int32', shape: [1, ids.length], values: ids } });
  const { stdout } = await graftSucceeds([...base, '--inputs', inputs, '--max-new-tokens', '8'], folder);
  greedy = stdout.trim().split(' ').map(Number).slice(ids.length);
  // The fifth token that the model says becomes the end of a turn.
  const stop = greedy[4];
  expect(greedy.indexOf(stop)).toBe(4);
  expect([...ids]).not.toContain(stop);
  const old = Object.keys(json.model.vocab).find((token) => json.model.vocab[token] === stop);
  if (old !== undefined) delete json.model.vocab[old];
  json.model.vocab['<stop>'] = stop;
  json.added_tokens = [...json.added_tokens, { ...json.added_tokens[0], id: stop, content: '<stop>' }];
  writeFileSync(file, JSON.stringify(json));
  writeFileSync(join(model, 'tokenizer_config.json'), JSON.stringify({ chat_template: TEMPLATE }));
  tokenizer = await HuggingFaceTokenizer.open({ path: model });
  words = (tokens) => tokenizer.decode(tokens).trim();
}, 120_000);

test("one prompt is answered by the folder's template up to the end of the turn, whole and as a stream", async () => {
  const { stdout, stderr } = await graftSucceeds([...base, '--chat', '--prompt', ` ${QUESTION}\n`], folder);
  expect(stdout).toBe(`${words(greedy.slice(0, 4))}\n`);
  expect(stderr).toContain(`Chat template: ${join(model, 'tokenizer_config.json')}.`);
  const streamed = await graftSucceeds([...base, '--chat', '--prompt', QUESTION, '--stream'], folder);
  expect(streamed.stdout.trim()).toBe(words(greedy.slice(0, 4)));
  // Named end tokens are all there is.
  const limit = ['--eos', '1', '--max-new-tokens', '8'];
  const on = await graftSucceeds([...base, '--chat', '--prompt', QUESTION, ...limit], folder);
  expect(on.stdout.trim()).toBe(words(greedy));
});

test('each conversation of a file is written back unchanged, with the answer added', async () => {
  const file = write(
    join(folder, 'in.jsonl'),
    [
      `{"id": 12345678901234567890, "messages": [{"role": "user", "content": "${QUESTION}"}] }`,
      `{"messages": [{"from": "human", "value": "${QUESTION}"}, {"from": "gpt", "value": "in"}, {"from": "human", "value": "an"}]}`,
    ].join('\n'),
  );
  const { stdout } = await graftSucceeds([...base, '--chat', '--inputs', file], folder);
  const [first, second] = stdout.trimEnd().split('\n');
  expect(first).toBe(
    `{"id": 12345678901234567890, "messages": [{"role": "user", "content": "${QUESTION}"}], "answer": ${JSON.stringify(words(greedy.slice(0, 4)))}}`,
  );
  expect(JSON.parse(second)).toMatchObject({ answer: expect.any(String) as string });
  const out = join(folder, 'out.jsonl');
  await graftSucceeds([...base, '--chat', '--inputs', file, '--output', out], folder);
  expect(readFileSync(out, 'utf8')).toBe(stdout);
});

test('an encoder-decoder reads the conversation in the encoder and decodes the answer', async () => {
  const encoderDecoder = join(folder, 'encoder-decoder');
  await graftSucceeds(['adapt', '--encoder', model, '--out', encoderDecoder], folder);
  // The template came along.
  expect(existsSync(join(encoderDecoder, 'tokenizer_config.json'))).toBe(true);
  const run = ['generate', '--model', encoderDecoder, '--engine', 'portable', '--max-new-tokens', '6'];
  const { stdout, stderr } = await graftSucceeds([...run, '--chat', '--prompt', QUESTION, '--eos', '1'], folder);
  expect(stderr).toContain(`Chat template: ${join(encoderDecoder, 'tokenizer_config.json')}.`);
  const plain = await graftSucceeds([...run, '--prompt', QUESTION], folder);
  expect(stdout.trim()).toBe(plain.stdout.trim());
});

test('a system message and another template can be given', async () => {
  const template = write(join(folder, 't.jinja'), '{% for m in messages %}{{ m.content }}{% endfor %}');
  const asked = [...base, '--chat', '--system', 'the', '--prompt', ' and', '--chat-template', template];
  const { stdout, stderr } = await graftSucceeds([...asked, '--max-new-tokens', '8'], folder);
  expect(stderr).toContain(`Chat template: ${template}.`);
  expect(stdout.trim()).toBe(words(greedy));
});

test('markup that a message spells out is reported', async () => {
  const { stderr } = await graftSucceeds([...base, '--chat', '--prompt', 'a<stop>', '--max-new-tokens', '1'], folder);
  expect(stderr).toContain('A message spells out "<stop>", which the model reads as markup, not as text.');
});

describe('invalid uses of --chat', () => {
  const line = (object: object): string => write(join(folder, 'bad.jsonl'), JSON.stringify(object));
  const raise = (): string => write(join(folder, 'raise.jinja'), "{{ raise_exception('No.') }}");
  const question = { role: 'user', content: 'a' };
  test.each<[string, () => string[], RegExp]>([
    ['no terminal', () => [], /--chat alone talks at a terminal, which this is not; give --prompt or --inputs/],
    ['both a prompt and a file', () => ['--prompt', 'a', '--inputs', 'x'], /Give either --inputs or --prompt/],
    ['several answers', () => ['--prompt', 'a', '--sample', '--sequences', '2'], /--chat gives one answer/],
    ['a stream of a file', () => ['--inputs', 'x', '--stream'], /--stream belongs to --prompt/],
    ['a system message for a file', () => ['--inputs', 'x', '--system', 'y'], /--system does not go with --inputs/],
    [
      'a line that is not a conversation',
      () => ['--inputs', write(join(folder, 'bad.jsonl'), '[1]')],
      /bad\.jsonl:1 should hold a JSON object/,
    ],
    [
      'a duplicate key',
      () => ['--inputs', write(join(folder, 'bad.jsonl'), '{"messages": [], "messages": [{"role": "user"}]}')],
      /bad\.jsonl:1 should hold a JSON object.*: the key "messages" is there twice/,
    ],
    [
      'a conversation that ends with an answer',
      () => ['--inputs', line({ messages: [question, { role: 'assistant', content: 'b' }] })],
      /bad\.jsonl:1 ends with a message of the role "assistant"/,
    ],
    [
      'a line that already has an answer',
      () => ['--inputs', line({ messages: [question], answer: 'b' })],
      /bad\.jsonl:1 has an "answer" already/,
    ],
    [
      'a conversation that the template refuses',
      () => ['--inputs', line({ messages: [question] }), '--chat-template', raise()],
      /bad\.jsonl:1: The chat template of .*raise\.jinja refuses the conversation: No\./,
    ],
    [
      'no template',
      () => ['--prompt', 'a', '--chat-template', fixture('gemma2-tiny-it')],
      /gemma2-tiny-it holds no chat template/,
    ],
  ])('the command is refused with a sentence: %s', async (_, options, message) => {
    const { status, stderr } = await graft([...base, '--chat', ...options()], folder);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  test('options of chat are refused without --chat', async () => {
    const { status, stderr } = await graft([...base, '--prompt', 'a', '--system', 'b'], folder);
    expect(stderr).toMatch(/--chat-template and --system belong to --chat/);
    expect(status).toBe(2);
  });
});
