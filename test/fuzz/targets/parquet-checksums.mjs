/** With a checksum in every page: whatever happens to the pages, the rows are those that were written, or there is an error. */
import { crc32 } from 'node:zlib';
import { mutateBytes } from '../lib/bytes.mjs';
import { chunksOf, footerOf, pagesOf, spliceChunk } from '../lib/parquet.mjs';
import { writeStruct } from '../lib/thrift.mjs';
import { ROWS, table } from './parquet.mjs';
import { components, itemsOf, Wrong } from './support.mjs';

function withChecksums(bytes) {
  for (let chunk = 0; chunk < chunksOf(footerOf(bytes).tree).length; chunk++)
    for (let i = 0; ; i++) {
      const footer = footerOf(bytes);
      const meta = chunksOf(footer.tree)[chunk];
      const page = pagesOf(bytes, meta)[i];
      if (!page) break;
      const { fields } = page.header;
      fields.splice(3, 0, { id: 4, type: 5, value: BigInt(crc32(bytes.subarray(page.data, page.end)) | 0) });
      bytes = spliceChunk(bytes, footer, meta, page.at, page.data, writeStruct(page.header));
    }
  return bytes;
}

const expected = ROWS.map(({ text, number }) => `${text} ${number}`);

export default {
  what: 'Parquet files whose pages have checksums: the rows are right, or there is an error',
  seeds: async () => [
    { 'a.parquet': withChecksums(table({ codec: 'UNCOMPRESSED' })) },
    { 'a.parquet': withChecksums(table({ codec: 'SNAPPY' })) },
  ],
  mutate({ 'a.parquet': bytes }, random) {
    const footer = footerOf(bytes);
    const { data, end } = random.pick(pagesOf(bytes, random.pick(chunksOf(footer.tree))));
    const page = mutateBytes(bytes.subarray(data, end), random);
    // As long as it was: where pages begin is not what is tried here.
    const same = Buffer.concat([page, Buffer.alloc(end - data)]).subarray(0, end - data);
    return { 'a.parquet': Buffer.concat([bytes.subarray(0, data), same, bytes.subarray(end)]) };
  },
  async check(folder) {
    const open = components();
    const dataset = await open.create('dataset', {
      use: 'parquet',
      files: `${folder}/a.parquet`,
      tokenizer: 'bytes',
      shuffle: false,
      repeat: false,
      appendEos: false,
      text: '{text} {number}',
    });
    const decoder = new TextDecoder();
    const items = await itemsOf(dataset);
    const texts = items.map(({ tokens }) => decoder.decode(Uint8Array.from(tokens.values, (id) => id - 3)));
    if (texts.join('\n') !== expected.join('\n')) throw new Wrong('it gives other rows than were written');
  },
};
