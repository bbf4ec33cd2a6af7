// Facts about a PJRT plugin, as lines of JSON.
//   node test/peers/device/pjrt/facts.mjs STAGE --plugin FILE [--preload FILE,...] [--client JSON] [--xla JSON]
//     [--small]
//   load       what loading, compiling and running map, and how long each takes
//   api        version, functions, attributes of plugin, device, memories and topology
//   errors     what the plugin says about mistakes
//   create     clients with one option after the other, and what their allocators say; --clients JSON for others
//   full       what happens when the device's memory is full
//   rates      dispatch, products, the device's memory; whether memory stays flat over 2,000 runs (node --expose-gc)
//   transfers  host to device and back, with pageable and with pinned memory
//   overlap    whether uploads and reads hide behind products
// --small takes sizes for a CPU. setup.mjs has the other options.
import { readNamedValues } from './options.mjs';
import { Client, Plugin } from './pjrt.mjs';
import { BROKEN, CONVOLUTION, product, repeated, SORT_AND_CHOLESKY, sum, waves } from './programs.mjs';
import { overlap, rates, transfers } from './rates.mjs';
import { attempt, commandLine, newlyMapped, open, say, scalar, timed } from './setup.mjs';
import { allocate, free, layout, readWords } from './structs.mjs';

const { options, positional: stage } = commandLine({
  small: { type: 'boolean', default: false },
  clients: { type: 'string' },
});
const CLIENTS = [
  {},
  { memory_fraction: 0.5 },
  { memory_fraction: 0.94 },
  { preallocate: false },
  { preallocate: false, allocator: 'cuda_async' },
  { allocator: 'platform' },
  { allocator: 'bfc', memory_fraction: 0.2 },
  { visible_devices: [0] },
  { platform_name: 'cuda' },
  { allocator: 'vmm' },
];
const GIB = 2 ** 30;

function load() {
  const { client } = open(options);
  const n = options.small ? 128 : 2048;
  const compiled = (what, code) => {
    const { result, ms } = timed(() => attempt(what, () => client.compile(code, options.xla)));
    if (result) say(what, { ms, mapped: newlyMapped() });
    return result;
  };
  compiled('compile sines', waves(64, 'bf16'));
  const multiply = compiled('compile product', product(n, 'bf16'));
  const fill = multiply && compiled('compile larger sines', waves(n, 'bf16'));
  if (!fill) return;
  const [a, b] = [1, 2].map((start) => fill.run([scalar(client, start)])[0]);
  const bytes = client.read(multiply.run([a, b])[0], n * n * 2);
  const value = new Float32Array(Uint32Array.of(bytes.readUInt16LE(10) << 16).buffer)[0];
  say('run', { value, mapped: newlyMapped(), memory: attempt('memory', () => client.memory()) });
  compiled('compile sort and Cholesky', SORT_AND_CHOLESKY);
  compiled('compile convolution', CONVOLUTION);
  say('destroy', { ms: timed(() => client.destroy()).ms });
}

function api() {
  const { plugin, client } = open(options);
  say('api', {
    version: plugin.version,
    bytes: plugin.size,
    functions: (plugin.size - layout.functions.PJRT_Error_Destroy) / 8,
    extensions: plugin.extensions,
    header: { minor: layout.minor, functions: Object.keys(layout.functions).length },
    missing: Object.keys(plugin.functions).filter((name) => !plugin.functions[name]),
  });
  const attributes = (args) => readNamedValues(args.get('attributes'), args.number('num_attributes'));
  const string = (name, values, field) => plugin.run(name, values, (args) => args.string(field));
  say('plugin', plugin.run('Plugin_Attributes', {}, attributes));
  say('platform', {
    name: string('Client_PlatformName', { client: client.pointer }, 'platform_name'),
    version: string('Client_PlatformVersion', { client: client.pointer }, 'platform_version'),
  });
  for (const device of client.devices) {
    const of = {
      device_description: plugin.run('Device_GetDescription', { device }, (args) => args.get('device_description')),
    };
    say('device', {
      id: plugin.run('DeviceDescription_Id', of, (args) => args.number('id')),
      kind: string('DeviceDescription_Kind', of, 'device_kind'),
      debug: string('DeviceDescription_DebugString', of, 'debug_string'),
      text: string('DeviceDescription_ToString', of, 'to_string'),
      attributes: plugin.run('DeviceDescription_Attributes', of, attributes),
    });
    const standard = attempt('default memory', () =>
      plugin.run('Device_DefaultMemory', { device }, (args) => args.get('memory')),
    );
    const memories = plugin.run('Device_AddressableMemories', { device }, (args) =>
      readWords(args.get('memories'), args.number('num_memories')),
    );
    for (const memory of memories) {
      const text = string('Memory_ToString', { memory }, 'to_string');
      say('memory space', { kind: string('Memory_Kind', { memory }, 'kind'), text, default: memory === standard });
    }
  }
  attempt('memory', () => say('memory', client.memory()));
  attempt('topology', () => {
    const topology = plugin.run('Client_TopologyDescription', { client: client.pointer }, (args) =>
      args.get('topology'),
    );
    say('topology', plugin.run('TopologyDescription_Attributes', { topology }, attributes));
  });
}

function errors() {
  const { plugin, client } = open(options);
  const fails = (what, action) => attempt(what, () => (action(), say(what, { error: null })));
  for (const [what, code] of Object.entries(BROKEN)) fails(what, () => client.compile(code, options.xla));
  fails('unknown option of a compilation', () => client.compile(sum(4), { ...options.xla, xla_no_such_flag: true }));
  fails('unknown option of a client', () => new Client(plugin, { ...options.client, no_such_option: true }));
  fails('option of a wrong type', () => new Client(plugin, { ...options.client, node_id: true }));
  const add = client.compile(sum(4, { donated: true }), options.xla);
  const vector = (...values) => client.upload(Float32Array.from(values), 'f32', [values.length]);
  const [x, y] = [vector(1, 2, 3, 4), vector(1, 2, 3, 4)];
  fails('too few arguments', () => add.run([x]));
  fails('argument of another shape', () => add.run([x, vector(1, 2)]));
  const [result] = add.run([x, y]);
  const deleted = plugin.run('Buffer_IsDeleted', { buffer: x }, (args) => args.get('is_deleted'));
  say('donated', { deleted: Boolean(deleted), value: client.read(result, 16).readFloatLE(4) });
  fails('donated buffer again', () => add.run([x, y]));
  fails('one buffer donated and passed', () => add.run([y, y]));
}

function create() {
  for (const clientOptions of options.clients ? JSON.parse(options.clients) : CLIENTS) {
    attempt(`create ${JSON.stringify(clientOptions)}`, () => {
      const plugin = new Plugin(options.plugin);
      const { result: client, ms } = timed(() => new Client(plugin, clientOptions));
      const memory = () => {
        try {
          return client.memory();
        } catch (error) {
          return { error: error.message.split('\n')[0] };
        }
      };
      const before = memory();
      const buffer = client.upload(new Float32Array(2 ** 20), 'f32', [2 ** 20]);
      say('create', { options: clientOptions, ms, memory: before, afterUpload: memory() });
      client.destroyBuffer(buffer);
      client.destroy();
    });
  }
}

function full() {
  const { client } = open(options);
  const memory = () => attempt('memory', () => client.memory());
  /** Makes `make`'s buffers until one fails or there are `most`, and destroys them. */
  const fill = (what, most, make) => {
    const held = [];
    const { ms } = timed(() =>
      attempt(what, () => {
        while (held.length < most) held.push(make());
      }),
    );
    say(`${what}: held`, { buffers: held.length, ms, memory: memory() });
    held.forEach((buffer) => client.destroyBuffer(buffer));
    say(`${what}: freed`, { memory: memory() });
  };
  const s = scalar(client, 1);
  attempt('too large a result', () => {
    const large = client.compile(repeated(`${options.small ? 16 : 2 ** 20}x65536`), options.xla);
    say('compile too large a result', { memory: large.memory() });
    const { result, ms } = timed(() => attempt('too large a result', () => large.run([s])));
    say('run too large a result', { ms, bytes: result && client.size(result[0]) });
    result?.forEach((buffer) => client.destroyBuffer(buffer));
  });
  attempt('results', () => {
    const piece = client.compile(repeated(String(options.small ? 1024 : 2 ** 31)), options.xla);
    fill('results', options.small ? 3 : 40, () => piece.run([s])[0]);
  });
  const bytes = options.small ? 4096 : GIB;
  const pointer = allocate(bytes);
  fill('uploads', options.small ? 3 : 90, () => {
    const { buffer, done } = client.uploadFrom(pointer, 'u8', [bytes], 0);
    client.plugin.wait(done);
    client.ready(buffer);
    return buffer;
  });
  free(pointer);
  const vector = () => client.upload(Float32Array.of(1, 2, 3, 4), 'f32', [4]);
  attempt('afterwards', () => {
    const [result] = client.compile(sum(4), options.xla).run([vector(), vector()]);
    say('afterwards', { value: client.read(result, 16).readFloatLE(4), memory: memory() });
  });
}

const stages = { load, api, errors, create, full };
const measured = { rates, transfers, overlap };
if (stages[stage]) stages[stage]();
else if (measured[stage]) measured[stage](open(options), options);
else throw new Error(`no stage ${stage}; there are ${[...Object.keys(stages), ...Object.keys(measured)].join(', ')}`);
// The plugin's threads would keep the process.
process.exit(0);
