import { gunzipSync, gzipSync } from 'node:zlib';
import { checkLines, LINES } from './jsonl.mjs';
import { checkText, TEXT, TOO_SHORT } from './text.mjs';
import { Wrong } from './support.mjs';

/**
 * What is in all members of a gzip file; undefined where zlib finds it damaged. zlib stops at a zero byte, but members
 * may follow the zeros that pad a file.
 */
function unpack(bytes) {
  try {
    const { buffer, engine } = gunzipSync(bytes, { maxOutputLength: 2 ** 28, info: true });
    const next = bytes.findIndex((byte, at) => at >= engine.bytesWritten && byte !== 0);
    if (next < 0) return buffer;
    const more = unpack(bytes.subarray(next));
    return more && Buffer.concat([buffer, more]);
  } catch (error) {
    if (error.code === 'ERR_BUFFER_TOO_LARGE') throw new Wrong('the fuzzer made a bomb that its oracle cannot read');
    return undefined;
  }
}

const packed = (...parts) => Buffer.concat(parts.map((part) => gzipSync(part)));

export default {
  what: 'gzip files of lines of JSON and of text',
  namesNone: TOO_SHORT,
  seeds: async () => [
    { 'a.jsonl.gz': packed(LINES) },
    { 'a.jsonl.gz': packed(LINES.subarray(0, 20), LINES.subarray(20)) },
    { 'a.jsonl.gz': Buffer.concat([packed(LINES), Buffer.alloc(512)]) },
    { 'a.txt.gz': packed(TEXT) },
    { 'a.txt.gz': packed(TEXT, TEXT) },
  ],
  async check(folder, files) {
    for (const [name, bytes] of Object.entries(files)) {
      const text = unpack(bytes);
      const check = name.endsWith('.txt.gz') ? checkText : checkLines;
      // What zlib finds damaged is given as lines that nobody may read.
      await check(`${folder}/${name}`, text ?? Buffer.from([0xff, 0x0a]));
    }
  },
};
