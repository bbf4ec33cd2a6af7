/** Which mutations a file gets, by its name. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { mutateBytes, mutateText } from './bytes.mjs';
import { mutateGguf } from './gguf.mjs';
import { mutateJson } from './json.mjs';
import { mutateParquet } from './parquet.mjs';
import { mutateJinja, mutateYaml } from './texts.mjs';

/** JSON, with its bytes hurt now and then. */
const json = (bytes, random) => (random.chance(0.15) ? mutateText(bytes, random) : mutateJson(bytes, random));

function lines(bytes, random) {
  if (random.chance(0.2)) return mutateText(bytes, random);
  const all = bytes.toString('latin1').split('\n');
  const at = random.below(all.length);
  const line = Buffer.from(all[at], 'latin1');
  const roll = random.below(12);
  if (roll === 0) all.splice(at, 1);
  else if (roll === 1) all.splice(at, 0, ...Array.from({ length: random.pick([1, 3, 300]) }, () => all[at]));
  else if (roll === 2)
    all[at] = random.pick(['', ' ', '\r', '[1]', 'null', '{}', '\xef\xbb\xbf{}', `{"text":"${'x'.repeat(300_000)}"}`]);
  else all[at] = (random.chance(0.3) ? mutateText : mutateJson)(line, random).toString('latin1');
  return Buffer.from(all.join('\n'), 'latin1');
}

/** A header whose length is right, whatever it says; or the bytes alone. */
function safetensors(bytes, random) {
  if (bytes.length < 8 || random.chance(0.3)) return mutateBytes(bytes, random);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = bytes.subarray(8, 8 + length);
  const data = bytes.subarray(8 + length);
  const changed = random.chance(0.8) ? mutateJson(header, random) : mutateText(header, random);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(changed.length));
  const body = random.chance(0.1) ? mutateBytes(data, random) : data;
  return Buffer.concat([prefix, changed, body]);
}

/** What is packed changes, or the bytes that it is packed into. */
const gzip = (name) => (bytes, random) => {
  if (random.chance(0.5)) return mutateBytes(bytes, random);
  let text;
  try {
    text = gunzipSync(bytes, { maxOutputLength: 1 << 24 });
  } catch {
    return mutateBytes(bytes, random);
  }
  if (random.chance(0.05)) return gzipSync(Buffer.alloc(1 << 18, random.pick([0, 0x0a, 0x20, 0x61])));
  const changed = (name.endsWith('.jsonl.gz') ? lines : mutateText)(text, random);
  const half = random.below(changed.length + 1);
  return random.chance(0.3)
    ? Buffer.concat([gzipSync(changed.subarray(0, half)), gzipSync(changed.subarray(half))])
    : gzipSync(changed);
};

const KINDS = [
  ['.json', () => json],
  ['.jsonl', () => lines],
  ['.safetensors', () => safetensors],
  ['.parquet', () => mutateParquet],
  ['.gguf', () => mutateGguf],
  ['.gz', gzip],
  ['.yaml', () => mutateYaml],
  ['.jinja', () => mutateJinja],
  ['.txt', () => mutateText],
];

/** A file's bytes changed once, as what its name says that it is. */
export function mutateFile(name, bytes, random) {
  const kind = KINDS.find(([end]) => name.endsWith(end));
  return (kind ? kind[1](name) : mutateBytes)(bytes, random);
}

/** A case (bytes by file name) changed in a few places. Files of one size are swapped or left out now and then. */
export function mutateCase(files, random, mutable = Object.keys(files)) {
  const changed = { ...files };
  for (let times = random.pick([1, 1, 1, 2, 3]); times > 0; times--) {
    const name = random.pick(mutable);
    if (changed[name] === undefined) continue;
    const roll = mutable.length > 1 ? random.below(32) : 2;
    if (roll === 0) delete changed[name];
    else if (roll === 1) changed[name] = files[random.pick(mutable)];
    else changed[name] = mutateFile(name, changed[name], random);
  }
  return changed;
}
