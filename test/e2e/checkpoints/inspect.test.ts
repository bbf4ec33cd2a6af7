import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tokenizerJson } from '../../../plugins/text/test-support/tokenizer-json';
import { temporaryFolder } from '../../support';
import { fixture } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graftSucceeds } = sharedProcess();
const home = temporaryFolder();

/** A copy of a fixture with other files in it; a JSON object is laid over config.json. */
function folderOf(name: string, files: Readonly<Record<string, string>> = {}, config: object = {}): string {
  const folder = join(home, `${name}-${Math.random().toString(36).slice(2)}`);
  cpSync(fixture(name), folder, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
  const own = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...own, ...config }));
  return folder;
}

const inspect = async (folder: string): Promise<string> => (await graftSucceeds(['inspect', folder], home)).stdout;

async function factsOf(folder: string): Promise<Record<string, unknown>> {
  const { stdout } = await graftSucceeds(['inspect', folder, '--json'], home);
  return (JSON.parse(stdout) as { graft: Record<string, unknown> }).graft;
}

test('inspect lists what generation and chat use of an instruction-tuned model, and what is ignored', async () => {
  const folder = folderOf(
    'gemma2-tiny-it',
    {
      'tokenizer.json': JSON.stringify(tokenizerJson()),
      'chat_template.jinja': '{{ bos_token }}x',
      'generation_config.json': '{"eos_token_id": [289, 228], "top_k": 64, "do_sample": true, "min_p": 0.1}',
      'preprocessor_config.json': '{}',
      'README.md': '',
    },
    { hidden_act: 'gelu', attention_dropout: 0.1 },
  );
  const text = await inspect(folder);
  for (const line of [
    'Architecture: Gemma2ForCausalLM, decoder-only',
    'Special tokens: BOS 2 in front of every sequence; end 1, pad 0',
    'Dropout: dropout 0, attentionDropout 0.1, classifierDropout 0',
    `Chat template: ${join(folder, 'chat_template.jinja')}`,
    `Generation (${join(folder, 'generation_config.json')}): end tokens 289 228, pad 0, start 2, do_sample true, top_k 64`,
    'dtype in config.json: bfloat16',
    'Ignored keys of config.json: hidden_act',
    'Ignored settings of generation: min_p 0.1',
  ])
    expect(text).toContain(`${line}\n`);
  expect(text).toMatch(/Tokenizer: .*tokenizer\.json, 2\d\d tokens\n/);
  expect(text).toMatch(/Ignored files: .*preprocessor_config\.json/);
  expect(text).not.toContain('README.md');
  expect(await factsOf(folder)).toMatchObject({
    model: { type: 'gemma2', kind: 'decoder-only', architecture: 'Gemma2ForCausalLM' },
    generation: { eos: [289, 228], topK: 64, sample: true },
    chatTemplate: { from: join(folder, 'chat_template.jinja') },
    dtype: 'bfloat16',
    ignored: { configKeys: ['hidden_act'], generationKeys: ['min_p 0.1'], tensors: [] },
  });
});

test('inspect describes an adapted model, an encoder alone and a classifier', async () => {
  const source = folderOf('gemma2-tiny-it');
  const [adapted, encoder] = [join(home, 'adapted'), join(home, 'encoder')];
  await graftSucceeds(['adapt', '--encoder', source, '--out', adapted], home);
  const facts = await factsOf(adapted);
  expect(facts).toMatchObject({
    model: { kind: 'encoder-decoder', architecture: 'T5GemmaForConditionalGeneration' },
    tokenizer: {},
    chatTemplate: {},
    recorded: ['adapted'],
    generation: { eos: [289, 228] },
    ignored: { configKeys: [], tensors: [] },
  });
  expect(await inspect(adapted)).toContain("Tokenizer: none in the folder\nChat template: none; Gemma's markup\n");
  await graftSucceeds(['export', '--encoder', adapted, '--out', encoder], home);
  const alone = await factsOf(encoder);
  expect(alone).toMatchObject({ model: { kind: 'encoder-only' } });
  expect(alone.generation).toBeUndefined();
  if (existsSync(fixture('seqcls-encdec', 'model.safetensors')))
    expect(await inspect(fixture('seqcls-encdec'))).toMatch(
      /Classifier: of a sequence, reads the decoder, \d+ classes: /,
    );
  if (existsSync(fixture('seqcls-enconly', 'model.safetensors')))
    expect(await inspect(fixture('seqcls-enconly'))).toContain(
      '\nSpecial tokens: encoder reads no BOS; end 1, pad 0\n',
    );
});

test('inspect names in a sentence what Graft cannot open', async () => {
  expect(await inspect(folderOf('gemma2-tiny-it', {}, { vocab_size: 299 }))).toMatch(
    /Not to be opened by Graft: .* does not hold this model: .*has shape \[300, 32\], but the model's is \[299, 32\]/,
  );
  const broken = { 'generation_config.json': '{"top_k": -1}', 'tokenizer.json': '{}', 'chat_template.jinja': '{% if' };
  const text = await inspect(folderOf('gemma2-tiny-it', broken));
  expect(text).toMatch(
    /Not to be opened by Graft: .*generation_config\.json: "top_k" should be an integer from 0 to 268435456/,
  );
  expect(text).toMatch(/Tokenizer: .*tokenizer\.json cannot be used: /);
  expect(text).toMatch(/Chat template: The chat template of .*chat_template\.jinja cannot be read: /);
});
