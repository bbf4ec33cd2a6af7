/** Lines between workers, which have proved to know the secret: whoever it is, a line does no more than end the group with a sentence. */
import { createRequire } from 'node:module';
import { EventEmitter } from 'node:events';
import { mutateBytes } from '../lib/bytes.mjs';
import { mutateJson } from '../lib/json.mjs';
import { Wrong } from './support.mjs';

const require = createRequire(import.meta.url);
const control = (name) => require(`../../../packages/engine/dist/collectives/control/${name}.js`);
const { LineSocket } = control('line-socket');

const MESSAGES = [
  { t: 'hello', rank: 1, workers: ['127.0.0.1:1', '127.0.0.1:2'], versions: { graft: '0.1.0' }, dataPort: 2 },
  { t: 'welcome', dataPorts: [1, 2] },
  { t: 'alive' },
  { t: 'value', id: 1, value: { loss: 1.5, list: [1, 2, null] } },
  { t: 'values', id: 1, values: [1, { a: 'b' }] },
  { t: 'fail', reason: 'out of memory' },
  { t: 'lost', failure: { message: 'gone', code: 'workers.gone', hint: 'resume', exitCode: 1 } },
  { t: 'leave' },
];
const KINDS = new Set(MESSAGES.map(({ t }) => t));
const MOST_BYTES = 1 << 16;

/** What a connection makes of bytes that come in these pieces: messages, and what ended it. */
function hear(pieces) {
  const socket = Object.assign(new EventEmitter(), {
    setNoDelay: () => undefined,
    destroy: () => undefined,
    write: () => true,
    end: () => undefined,
    writable: true,
  });
  const heard = [];
  const line = new LineSocket(
    socket,
    MOST_BYTES,
    (message) => heard.push(message),
    () => undefined,
    (problem) => heard.push(problem),
  );
  for (const piece of pieces) socket.emit('data', piece);
  void line;
  return heard;
}

export default {
  what: 'lines between workers',
  seeds: async () => [{ 'lines.bin': Buffer.from(MESSAGES.map((message) => `${JSON.stringify(message)}\n`).join('')) }],
  mutate({ 'lines.bin': bytes }, random) {
    const all = bytes.toString('latin1').split('\n');
    const at = random.below(all.length);
    const line = Buffer.from(all[at], 'latin1');
    all[at] = (random.chance(0.8) ? mutateJson : mutateBytes)(line, random).toString('latin1');
    if (random.chance(0.1))
      all.splice(at, 0, 'x'.repeat(random.pick([MOST_BYTES - 1, MOST_BYTES, MOST_BYTES + 1, 5 * MOST_BYTES])));
    return { 'lines.bin': Buffer.from(all.join('\n'), 'latin1') };
  },
  async check(_, { 'lines.bin': bytes }) {
    const whole = hear([bytes]);
    const pieces = hear(
      Array.from({ length: Math.ceil(bytes.length / 777) }, (__, i) => bytes.subarray(777 * i, 777 * (i + 1))),
    );
    if (JSON.stringify(whole) !== JSON.stringify(pieces))
      throw new Wrong('it hears something else when the bytes come in pieces');
    for (const [i, one] of whole.entries()) {
      if (typeof one === 'string') {
        if (i < whole.length - 1) throw new Wrong('it goes on behind what is not a message');
        if (one.length > 300) throw new Wrong(`a problem has ${one.length} characters`);
      } else if (!KINDS.has(one.t)) throw new Wrong(`it takes a message of the kind ${one.t}`);
    }
  },
};
