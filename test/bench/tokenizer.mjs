// Training a vocabulary, and encoding with it: the library alone, then with words remembered, cold and warm.
//   node test/bench/tokenizer.mjs [--files 'texts/**/*.txt'] [--vocabulary 8000] [--megabytes 20]
// Without --files: the pages that the installed packages bring along.
import { findFiles, HuggingFaceTokenizer, trainTokenizer } from '@graft/text';
import { Tokenizer } from '@huggingface/tokenizers';
import { Buffer } from 'node:buffer';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: join('node_modules', '**', '*.md') },
    vocabulary: { type: 'string', default: '8000' },
    megabytes: { type: 'string', default: '20' },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'graft-bench-'));
try {
  let text = '';
  for (const { path } of await findFiles(resolve(options.files))) {
    text += `${readFileSync(path, 'utf8')}\n`;
    if (text.length >= Number(options.megabytes) * 1e6) break;
  }
  const corpus = join(folder, 'text.txt');
  writeFileSync(corpus, text);
  const megabytes = Buffer.byteLength(text) / 1e6;

  const seconds = async (work) => {
    const began = performance.now();
    const result = await work();
    return [(performance.now() - began) / 1000, result];
  };
  const path = join(folder, 'tokenizer');
  const [training, { wordKinds, merges }] = await seconds(() =>
    trainTokenizer(path, { files: corpus, vocabularySize: Number(options.vocabulary) }),
  );
  console.log(
    `training: ${megabytes.toFixed(1)} MB, ${wordKinds} different words, ${merges} merges in ${training.toFixed(1)} s`,
  );

  // As data sets do: in parts of 64 KiB.
  const parts = text.match(/[^]{1,65536}/g);
  const show = async (name, some, encode) => {
    const [time, tokens] = await seconds(() => some.reduce((sum, part) => sum + encode(part).length, 0));
    const size = some.reduce((sum, part) => sum + Buffer.byteLength(part), 0) / 1e6;
    console.log(`${name}: ${(size / time).toFixed(1)} MB/s, ${(tokens / time / 1e6).toFixed(2)} million tokens/s`);
  };
  const library = new Tokenizer(JSON.parse(readFileSync(join(path, 'tokenizer.json'), 'utf8')), {});
  // It takes minutes for all of it.
  await show('the library alone', parts.slice(0, 8), (part) => library.encode(part, { add_special_tokens: false }).ids);
  const tokenizer = await HuggingFaceTokenizer.open({ path });
  await show('graft, cold', parts, (part) => tokenizer.encode(part));
  await show('graft, warm', parts, (part) => tokenizer.encode(part));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
