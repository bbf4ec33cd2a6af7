import {
  createComponentFactory,
  createRandom,
  Registry,
  silentLogger,
  type ComponentFactory,
  type HostFields,
} from '@graft/core';
import type { Engine } from '@graft/engine';
import { openChatFormat, plugin, type HuggingFaceTokenizer } from '@graft/text';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../support';
import { describeWithTokenizer, type RealTokenizer } from '../support/real-tokenizers';

const message = (role: string, content: string): { role: string; content: string } => ({ role, content });
const CONVERSATION = [
  message('user', '  What is 2+2?\n'),
  message('assistant', '\n 4 \n\n'),
  message('user', 'Und auf Deutsch, bitte: "naïve 😀"?'),
  message('assistant', 'Vier.\n\n- eins\n- zwei'),
];

/** The answers as each template writes them, with its end of turn. */
const ANSWERS: Readonly<Record<RealTokenizer, readonly [string, string]>> = {
  gemma2: ['4<end_of_turn>', 'Vier.\n\n- eins\n- zwei<end_of_turn>'],
  gemma3: ['4<end_of_turn>', 'Vier.\n\n- eins\n- zwei<end_of_turn>'],
  llama3: ['4<|eot_id|>', 'Vier.\n\n- eins\n- zwei<|eot_id|>'],
  // The template strips line breaks alone, and writes an empty thought before what the model says.
  qwen3: ['<think>\n\n</think>\n\n 4 \n\n<|im_end|>', '<think>\n\n</think>\n\nVier.\n\n- eins\n- zwei<|im_end|>'],
};
const START: Readonly<Record<RealTokenizer, string>> = {
  gemma2: '<bos><start_of_turn>user\nWhat is 2+2?<end_of_turn>\n<start_of_turn>model\n',
  gemma3: '<bos><start_of_turn>user\nWhat is 2+2?<end_of_turn>\n<start_of_turn>model\n',
  llama3:
    '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhat is 2+2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
  qwen3: '<|im_start|>user\n  What is 2+2?\n<|im_end|>\n<|im_start|>assistant\n',
};
/** Tokens that are not among tokenizer_config.json's three, where it names none of a kind. */
const NAMED: Readonly<Partial<Record<RealTokenizer, object>>> = {
  llama3: { padToken: '<|end_of_text|>' },
  qwen3: { bosToken: '<|endoftext|>' },
};

describe.each(Object.keys(ANSWERS) as RealTokenizer[])('chat in the data', (name) => {
  describeWithTokenizer(name, `the tokenizer and the template of ${name}`, (folder) => {
    let components: ComponentFactory;
    let tokenizer: HuggingFaceTokenizer;
    const spec = { use: 'huggingface', path: folder, ...NAMED[name] };
    beforeAll(async () => {
      const registry = new Registry();
      registry.register(plugin, 'here');
      components = createComponentFactory(registry, {
        engine: {} as Engine,
        random: createRandom(0),
        logger: silentLogger(),
      });
      tokenizer = (await components.create('tokenizer', spec)) as HuggingFaceTokenizer;
    });

    test('labels are exactly the answers, each with its end of turn and nothing after it', async () => {
      const file = join(temporaryFolder(), 'chat.jsonl');
      writeFileSync(file, `${JSON.stringify({ messages: CONVERSATION })}\n`);
      const options = {
        files: file,
        tokenizer: spec,
        answers: 'every',
        appendEos: false,
        shuffle: false,
        repeat: false,
      };
      const dataset = await components.create('dataset', { use: 'chat', ...options });
      const items: HostFields[] = [];
      for await (const item of dataset) items.push(item);
      const text = (field: string): string[] =>
        items.map((item) => tokenizer.decode(Array.from(item[field].values), { keepSpecial: true }));
      expect(text('target')).toEqual(ANSWERS[name]);
      expect(text('source')[0]).toBe(START[name]);
      expect(text('source')[1].startsWith(START[name])).toBe(true);
    });

    test('an answer ends with a token', async () => {
      const format = await openChatFormat([folder], tokenizer);
      const { token } = format.endOfTurn();
      expect(ANSWERS[name][0].endsWith(tokenizer.decode([token!], { keepSpecial: true }))).toBe(true);
    });
  });
});
