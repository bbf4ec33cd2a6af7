import { CheckpointReader, importGguf } from '@graft/checkpoint';
import { HuggingFaceTokenizer } from '@graft/text';
import { walkGguf } from '../lib/gguf.mjs';
import { compare, fixture, outcome, Wrong } from './support.mjs';

/** What GGUF makes of names and texts may be refused as a tokenizer: with a sentence. */
const TOKENIZER_CODES = /^tokenizer\./;

async function readAll(folder) {
  const reader = await CheckpointReader.open(folder);
  try {
    await reader.config();
    await reader.generationConfig();
    for (const name of reader.tensors.keys()) for await (const chunk of reader.chunks(name)) void chunk;
  } finally {
    await reader.close();
  }
  const tokenizer = await outcome(() => HuggingFaceTokenizer.open({ path: folder }));
  if (tokenizer.value) tokenizer.value.decode(tokenizer.value.encode('the  hen 12\n é 漢'));
  else if (!TOKENIZER_CODES.test(tokenizer.error.code)) throw tokenizer.error;
}

export default {
  what: "llama.cpp's GGUF files, imported as folders",
  seeds: async () => ['llama-scores', 'qwen3', 'gemma3'].map((name) => ({ 'a.gguf': fixture(`gguf/${name}.gguf`) })),
  async check(folder, files) {
    const out = `${folder}/out`;
    const imported = await outcome(() => importGguf({ file: `${folder}/a.gguf`, out }));
    compare(imported, files['a.gguf'] && walkGguf(files['a.gguf']).problem);
    const read = await outcome(() => readAll(out));
    if (read.error) throw new Wrong(`imported, but not readable: ${read.error.message}`);
  },
};
