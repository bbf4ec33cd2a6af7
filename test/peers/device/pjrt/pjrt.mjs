// The PJRT C API from Node: a plugin, its client, programs and buffers. Every call is checked.
//   const client = new Client(new Plugin(file), { memory_fraction: 0.94 });
//   const program = client.compile(stableHlo, { xla_gpu_enable_triton_gemm: false });
//   const [sum] = program.run([client.upload(Float32Array.of(1, 2), 'f32', [2]), other]);
//   const bytes = client.read(sum, 8);
// Buffers are pointers; whoever has one destroys it.
import koffi from 'koffi';
import { compileOptions, namedValues } from './options.mjs';
import { address, allocate, copyOf, free, layout, readWords, Struct, text, view, words } from './structs.mjs';

const libc = koffi.load('libc.so.6');
const dlopen = libc.func('void* dlopen(const char*, int)');
const dlerror = libc.func('const char* dlerror()');
const RTLD_NOW = 2;
const RTLD_GLOBAL = 0x100;
const RTLD_NODELETE = 0x1000;

/** Opens libraries for all that are opened after them, which then find them by their names. */
export function preload(files) {
  return files.map((file) =>
    dlopen(file, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE) ? { file } : { file, error: dlerror() },
  );
}

const PjrtFunction = koffi.proto('void* PjrtFunction(void* args)');
const Deleter = koffi.proto('void PjrtDeleter(void* of)');

/** What the plugin says; `code` is absl's (3 invalid argument, 8 resource exhausted, 13 internal, ...). */
export class PjrtError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

export class Plugin {
  constructor(file) {
    if (!dlopen(file, RTLD_NOW | RTLD_NODELETE)) throw new Error(`dlopen ${file}: ${dlerror()}`);
    const api = address(koffi.load(file).func('void* GetPjrtApi()')());
    this.size = Number(view(api, 8).readBigUInt64LE(0));
    const table = view(api, this.size);
    this.version = { major: table.readInt32LE(32), minor: table.readInt32LE(36) };
    this.extensions = [];
    for (let next = table.readBigUInt64LE(8); next !== 0n;) {
      const extension = view(next, 24);
      this.extensions.push({ type: extension.readInt32LE(8), size: Number(extension.readBigUInt64LE(0)) });
      next = extension.readBigUInt64LE(16);
    }
    this.functions = Object.fromEntries(
      Object.entries(layout.functions).map(([name, offset]) => [
        name,
        offset + 8 <= this.size ? table.readBigUInt64LE(offset) : 0n,
      ]),
    );
    this.run('Plugin_Initialize');
  }

  #check(error) {
    if (!error) return;
    const call = (name) => {
      const args = new Struct(`PJRT_${name}_Args`, { error: address(error) });
      koffi.call(this.functions[`PJRT_${name}`], PjrtFunction, args.pointer);
      return args;
    };
    const message = call('Error_Message');
    const code = call('Error_GetCode');
    const result = new PjrtError(message.string('message'), code.get('code'));
    [message, code, call('Error_Destroy')].forEach((args) => args.free());
    throw result;
  }

  /** Calls PJRT_<name> with these fields and gives back what `answer` takes from the struct. */
  run(name, values, answer) {
    const pointer = this.functions[`PJRT_${name}`];
    if (!pointer) throw new Error(`this plugin has no ${name}`);
    const args = new Struct(`PJRT_${name}_Args`, values);
    try {
      this.#check(koffi.call(pointer, PjrtFunction, args.pointer));
      return answer?.(args);
    } finally {
      args.free();
    }
  }

  wait(event) {
    this.run('Event_Await', { event });
    this.run('Event_Destroy', { event });
  }
}

export const TYPES = { pred: 1, s8: 2, s32: 4, s64: 5, u8: 6, u32: 8, f16: 10, f32: 11, f64: 12, bf16: 13 };
/** What PJRT may expect of the host's memory while and after it is uploaded. */
export const SEMANTICS = { onlyDuringCall: 0, untilTransferCompletes: 1, zeroCopy: 2 };

export class Client {
  constructor(plugin, options = {}) {
    this.plugin = plugin;
    const { pointer, count } = namedValues(options);
    this.pointer = plugin.run('Client_Create', { create_options: pointer, num_options: count }, (args) =>
      args.get('client'),
    );
    this.devices = plugin.run('Client_AddressableDevices', { client: this.pointer }, (args) =>
      readWords(args.get('addressable_devices'), args.number('num_addressable_devices')),
    );
    [this.device] = this.devices;
    this.executeOptions = new Struct('PJRT_ExecuteOptions');
  }

  destroy() {
    this.executeOptions.free();
    this.plugin.run('Client_Destroy', { client: this.pointer });
  }

  /** The allocator's statistics, those that are set. */
  memory() {
    return this.plugin.run('Device_MemoryStats', { device: this.device }, (args) =>
      Object.fromEntries(
        Object.keys(args.fields)
          .filter((field) => /bytes|alloc/.test(field) && !field.endsWith('_is_set'))
          .filter((field) => !args.fields[`${field}_is_set`] || args.get(`${field}_is_set`))
          .map((field) => [field, args.number(field)]),
      ),
    );
  }

  compile(code, flags = {}) {
    const [bytes, format, options] = [Buffer.from(code), Buffer.from('mlir'), compileOptions(flags)];
    // MLIR's lexer reads one byte beyond the text, which must be 0.
    const native = [Buffer.concat([bytes, Buffer.alloc(1)]), format, options].map(copyOf);
    const program = new Struct('PJRT_Program', {
      code: native[0],
      code_size: bytes.length,
      format: native[1],
      format_size: format.length,
    });
    try {
      return this.plugin.run(
        'Client_Compile',
        {
          client: this.pointer,
          program: program.pointer,
          compile_options: native[2],
          compile_options_size: options.length,
        },
        (args) => new Executable(this, args.get('executable')),
      );
    } finally {
      program.free();
      free(...native);
    }
  }

  /** The bytes that Executable.serialize gave, as a program again. */
  deserialize(bytes) {
    const pointer = copyOf(bytes);
    try {
      return this.plugin.run(
        'Executable_DeserializeAndLoad',
        { client: this.pointer, serialized_executable: pointer, serialized_executable_size: bytes.length },
        (args) => new Executable(this, args.get('loaded_executable')),
      );
    } finally {
      free(pointer);
    }
  }

  /** A typed array as a buffer of the device. */
  upload(array, type, dims) {
    const pointer = copyOf(Buffer.from(array.buffer, array.byteOffset, array.byteLength));
    const { buffer, done } = this.uploadFrom(pointer, type, dims, SEMANTICS.onlyDuringCall);
    this.plugin.wait(done);
    free(pointer);
    return buffer;
  }

  /** Starts an upload of native memory, which may change once `done` has happened. */
  uploadFrom(pointer, type, dims, semantics) {
    const sizes = words(dims);
    try {
      return this.plugin.run(
        'Client_BufferFromHostBuffer',
        {
          client: this.pointer,
          data: pointer,
          type: TYPES[type],
          dims: sizes,
          num_dims: dims.length,
          host_buffer_semantics: semantics,
          device: this.device,
        },
        (args) => ({ buffer: args.get('buffer'), done: args.get('done_with_host_buffer') }),
      );
    } finally {
      free(sizes);
    }
  }

  /** Pins native memory in place, until unpin. */
  pin(pointer, bytes) {
    this.plugin.run('Client_DmaMap', { client: this.pointer, data: pointer, size: bytes });
  }

  unpin(pointer) {
    this.plugin.run('Client_DmaUnmap', { client: this.pointer, data: pointer });
  }

  size(buffer) {
    return this.plugin.run('Buffer_OnDeviceSizeInBytes', { buffer }, (args) => args.number('on_device_size_in_bytes'));
  }

  /** Waits until the buffer holds its values. */
  ready(buffer) {
    this.plugin.wait(this.plugin.run('Buffer_ReadyEvent', { buffer }, (args) => args.get('event')));
  }

  /** Starts a copy to native memory; the event says when it is there. */
  readInto(buffer, pointer, bytes) {
    return this.plugin.run('Buffer_ToHostBuffer', { src: buffer, dst: pointer, dst_size: bytes }, (args) =>
      args.get('event'),
    );
  }

  read(buffer, bytes) {
    const pointer = allocate(bytes);
    this.plugin.wait(this.readInto(buffer, pointer, bytes));
    const result = Buffer.from(view(pointer, bytes));
    free(pointer);
    return result;
  }

  destroyBuffer(buffer) {
    this.plugin.run('Buffer_Destroy', { buffer });
  }
}

export class Executable {
  #lists;

  constructor(client, loaded) {
    this.client = client;
    this.plugin = client.plugin;
    this.loaded = loaded;
    this.pointer = this.plugin.run('LoadedExecutable_GetExecutable', { loaded_executable: loaded }, (args) =>
      args.get('executable'),
    );
    this.outputs = this.plugin.run('Executable_NumOutputs', { executable: this.pointer }, (args) =>
      args.number('num_outputs'),
    );
  }

  destroy() {
    this.plugin.run('Executable_Destroy', { executable: this.pointer });
    this.plugin.run('LoadedExecutable_Destroy', { executable: this.loaded });
    if (this.#lists) free(...this.#lists.pointers);
  }

  /** What the compiler says that a run takes. */
  memory() {
    return this.plugin.run('Executable_GetCompiledMemoryStats', { executable: this.pointer }, (args) =>
      Object.fromEntries(
        Object.keys(args.fields)
          .filter((field) => field.endsWith('_in_bytes'))
          .map((field) => [field, args.number(field)]),
      ),
    );
  }

  /** The lists that a call points to: of arguments, of results, and of the events that say when it is done. */
  #listsFor(count) {
    if (this.#lists?.count === count) return this.#lists;
    if (this.#lists) free(...this.#lists.pointers);
    const [list, out, events] = [count, this.outputs, 1].map((length) => allocate(length * 8));
    const [lists, outs] = [words([list]), words([out])];
    return (this.#lists = { count, list, lists, out, outs, events, pointers: [list, lists, out, outs, events] });
  }

  /** Starts a run; `event` says when it is done. Its outputs can be passed on before that. */
  start(args) {
    const { list, lists, out, outs, events } = this.#listsFor(args.length);
    const bytes = view(list, Math.max(8, args.length * 8));
    args.forEach((argument, i) => bytes.writeBigUInt64LE(argument, i * 8));
    this.plugin.run('LoadedExecutable_Execute', {
      executable: this.loaded,
      options: this.client.executeOptions.pointer,
      argument_lists: lists,
      num_devices: 1,
      num_args: args.length,
      output_lists: outs,
      device_complete_events: events,
    });
    return { outputs: readWords(out, this.outputs), event: readWords(events, 1)[0] };
  }

  /** Runs and waits. */
  run(args) {
    const { outputs, event } = this.start(args);
    this.plugin.wait(event);
    return outputs;
  }

  serialize() {
    return this.plugin.run('Executable_Serialize', { executable: this.pointer }, (args) => {
      const bytes = Buffer.from(view(args.get('serialized_bytes'), args.number('serialized_bytes_size')));
      koffi.call(args.get('serialized_executable_deleter'), Deleter, args.get('serialized_executable'));
      return bytes;
    });
  }

  fingerprint() {
    return this.plugin.run('Executable_Fingerprint', { executable: this.pointer }, (args) =>
      text(args.get('executable_fingerprint'), args.get('executable_fingerprint_size')),
    );
  }
}
