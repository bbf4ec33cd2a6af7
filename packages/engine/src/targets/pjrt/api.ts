import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { EngineError } from '@graft/errors';
import { koffi, type Koffi } from '../../foreign/koffi';
import { pjrtError } from './errors';
import { CALLS } from './layout';
import { entryPoint, openLibrary } from './libraries';
import { readNative, readText, type Pointer } from './memory';
import { Struct, type FieldOf, type Word } from './structs';
import { HEADER_BYTES, readTable, tableBytes, type Table } from './table';

type Prototype = ReturnType<Koffi['proto']>;
let declared: { readonly call: Prototype; readonly deleter: Prototype } | undefined;

/** Of the API's functions, and of the deleters that it gives. */
const prototypes = (): NonNullable<typeof declared> =>
  (declared ??= { call: koffi().proto('void *', ['void *']), deleter: koffi().proto('void', ['void *']) });

export type CallName = keyof typeof CALLS;
type Arguments<N extends CallName> = Struct<FieldOf<(typeof CALLS)[N]>>;
type Values<N extends CallName> = Partial<Record<FieldOf<(typeof CALLS)[N]>, Word>>;

/** A function of the API: takes the address of its struct and returns an error or null. */
interface NativeFunction {
  (args: Buffer): Pointer | null;
  async(args: Buffer, done: (failure: unknown, error: Pointer | null) => void): void;
}

function pluginError(message: string, hint: string, cause?: unknown): EngineError {
  return new EngineError(message, { code: 'engine.pjrt-plugin', exitCode: 2, hint, cause });
}

const WHICH = 'Name the shared library of a PJRT plugin, such as xla_cuda_plugin.so of jax-cuda13-pjrt.';

/** A plugin's functions. Every call is checked, and every error of PJRT's is read and destroyed. */
export class PjrtApi {
  /** Version of the C API, as "0.115". */
  readonly version: string;
  /** Of the plugin's file: releases differ in it. */
  readonly fileBytes: number;
  private readonly functions: Table['functions'];
  private readonly loaded = new Map<CallName, NativeFunction>();
  private readonly idle = new Map<CallName, Struct[]>();

  /**
   * Loads a plugin for the rest of the process's life: first the libraries that it needs, in the given order, then
   * itself. Throws EngineError if the file is missing, is not a PJRT plugin, or has a version that does not fit.
   */
  constructor(
    readonly file: string,
    preload: readonly string[] = [],
  ) {
    const entry = statSync(file, { throwIfNoEntry: false });
    if (!entry?.isFile()) throw pluginError(`The PJRT plugin ${file} is not a file.`, WHICH);
    this.fileBytes = entry.size;
    for (const library of preload) {
      const reason = openLibrary(library, true);
      if (reason !== undefined)
        throw pluginError(`${library}, which the PJRT plugin ${file} needs, cannot be loaded: ${reason}.`, WHICH);
    }
    // The plugin reads the variable when it is loaded; it would print what went well.
    process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
    const reason = openLibrary(file, false);
    if (reason !== undefined) throw pluginError(`The PJRT plugin ${file} cannot be loaded: ${reason}.`, WHICH);
    const table = entryPoint(file, 'GetPjrtApi')?.();
    if (!table) throw pluginError(`${file} is not a PJRT plugin: it has no GetPjrtApi.`, WHICH);
    const size = tableBytes(Buffer.from(readNative(table, HEADER_BYTES)), file);
    const { version, functions } = readTable(Buffer.from(readNative(table, size)), file);
    this.version = version;
    this.functions = functions;
    this.call('Plugin_Initialize', {});
  }

  has(name: CallName): boolean {
    return this.functions[name] !== 0n;
  }

  /**
   * Calls PJRT_<name> with these fields; `answer` takes the results from the struct, which is used again afterwards.
   * Throws EngineError for an error of PJRT's.
   */
  call<N extends CallName, R = void>(name: N, values: Values<N>, answer?: (args: Arguments<N>) => R): R {
    const args = (this.idle.get(name)?.pop() ?? new Struct(CALLS[name])) as Arguments<N>;
    try {
      this.check(name, this.function(name)(args.fill(values).bytes));
      return answer?.(args) as R;
    } finally {
      args.release();
      const idle = this.idle.get(name);
      if (idle) idle.push(args as Struct);
      else this.idle.set(name, [args as Struct]);
    }
  }

  /** As `call`, on another thread: the event loop goes on. */
  callAsync<N extends CallName, R = void>(name: N, values: Values<N>, answer?: (args: Arguments<N>) => R): Promise<R> {
    const args = new Struct(CALLS[name]).fill(values) as Arguments<N>;
    return new Promise((resolveWith, reject) => {
      this.function(name).async(args.bytes, (failure, error) => {
        try {
          if (failure)
            throw new EngineError(`PJRT_${name} could not be called.`, { code: 'engine.pjrt', cause: failure });
          this.check(name, error);
          resolveWith(answer?.(args) as R);
        } catch (reason) {
          reject(reason as Error);
        }
      });
    });
  }

  /** Calls a deleter that PJRT gave for something of its own. */
  delete(deleter: Pointer, of: Pointer): void {
    const fn = koffi().decode(deleter, prototypes().deleter) as (of: Pointer) => void;
    fn(of);
  }

  private function(name: CallName): NativeFunction {
    const known = this.loaded.get(name);
    if (known) return known;
    const address = this.functions[name];
    if (address === 0n) {
      throw new EngineError(`The PJRT plugin ${this.file} (C API ${this.version}) has no PJRT_${name}.`, {
        code: 'engine.unsupported',
      });
    }
    const loaded = koffi().decode(address, prototypes().call) as NativeFunction;
    this.loaded.set(name, loaded);
    return loaded;
  }

  private check(name: CallName, error: Pointer | null): void {
    if (!error) return;
    // Two of the three return nothing, so that `call` cannot check them.
    const ask = <N extends CallName>(ofError: N): Arguments<N> => {
      const args = new Struct(CALLS[ofError]).fill({ error } as Values<N>) as Arguments<N>;
      this.function(ofError)(args.bytes);
      return args;
    };
    const message = ask('Error_Message');
    const text = readText(message.pointer('message'), message.number('message_size'));
    const status = ask('Error_GetCode').number('code');
    ask('Error_Destroy');
    throw pjrtError(name, status, text);
  }
}

const plugins = new Map<string, PjrtApi>();

/** The plugin of that file; a process loads each one once. */
export function loadPlugin(file: string, preload?: readonly string[]): PjrtApi {
  const path = resolve(file);
  const known = plugins.get(path);
  if (known) return known;
  const plugin = new PjrtApi(path, preload);
  plugins.set(path, plugin);
  return plugin;
}
