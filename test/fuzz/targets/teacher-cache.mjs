import { TeacherCache } from '@graft/objectives';
import { safetensors } from './safetensors.mjs';
import { json, Wrong } from './support.mjs';

const [SEQUENCES, POSITIONS, TOP_K, VOCABULARY] = [3, 9, 4, 20];

function cache(dtype) {
  const shard = safetensors([
    ['keys', 'U8', [SEQUENCES, 16]],
    ['offsets', 'I32', [SEQUENCES + 1]],
    ['tokens', 'I32', [POSITIONS, TOP_K]],
    ['log_probabilities', dtype, [POSITIONS, TOP_K]],
    ['log_rest', 'F32', [POSITIONS]],
  ]);
  const data = 8 + Number(shard.readBigUInt64LE(0));
  for (let i = 0; i < 16 * SEQUENCES; i++) shard[data + i] = i;
  let at = data + 16 * SEQUENCES;
  for (let i = 0; i <= SEQUENCES; i++, at += 4) shard.writeInt32LE((i * POSITIONS) / SEQUENCES, at);
  for (let i = 0; i < POSITIONS * TOP_K; i++, at += 4) shard.writeInt32LE((i % TOP_K) * 4, at);
  // A fifth for each, and for the rest. Of float16, -1.6094.
  for (let i = 0; i < POSITIONS * TOP_K; i++, at += dtype === 'F16' ? 2 : 4)
    if (dtype === 'F16') shard.writeUInt16LE(0xbe70, at);
    else shard.writeFloatLE(Math.log(0.2), at);
  for (let i = 0; i < POSITIONS; i++, at += 4) shard.writeFloatLE(Math.log(0.2), at);
  const index = {
    format: 'graft-teacher-cache',
    version: 1,
    teacher: { fingerprint: 'abc', path: '/t' },
    vocabulary: VOCABULARY,
    topK: TOP_K,
    selection: 'top',
    temperature: 1,
    bos: true,
    dtype,
    shards: [{ file: 'shard-00000.safetensors', sequences: SEQUENCES, positions: POSITIONS }],
    progress: { x: { step: 3, data: { row: 1 } } },
  };
  return { 'index.json': json(index), 'shard-00000.safetensors': shard };
}

export default {
  what: "caches of a teacher's answers",
  seeds: async () => [cache('F32'), cache('F16')],
  async check(folder) {
    const opened = await TeacherCache.open(folder);
    try {
      for (const key of opened.keys()) {
        const { tokens, logProbabilities, logRest } = opened.read(key);
        const odd = tokens.find((id) => id < 0 || id >= opened.index.vocabulary);
        if (odd !== undefined)
          throw new Wrong(`accepted, though it has the token ${odd} of ${opened.index.vocabulary}`);
        if (![...logProbabilities, ...logRest].every((log) => log <= 0.02))
          throw new Wrong('accepted, though a probability is above 1 or is not a number');
      }
    } finally {
      opened.dispose();
    }
  },
};
