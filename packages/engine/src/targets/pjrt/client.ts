import { EngineError } from '@graft/errors';
import type { CallName, PjrtApi } from './api';
import { upload, type DeviceBuffer, type UploadOptions } from './buffer';
import { Device } from './device';
import { Executable } from './executable';
import type { TensorType } from './host-values';
import { STRUCTS } from './layout';
import { readText, readWords, type Pointer } from './memory';
import { compileOptions, namedValues, type ClientOptions, type CompileFlags } from './options';
import { unpack, unusable, type SerializedHeader } from './serialized';
import { Session } from './session';
import { argumentsOfMain } from './signature';
import { Struct } from './structs';

export interface CompileOptions {
  /** For error messages. Default "main". */
  readonly name?: string;
  /** Default: the client's first. */
  readonly device?: Device;
  /** Devices over which Shardy partitions the program, instead of one: the mesh of its text, in order. */
  readonly devices?: readonly Device[];
  /** Whether a call takes little time, as for `engine.jit`. Default false. */
  readonly shortCalls?: boolean;
  /** XLA's options by their names. */
  readonly flags?: CompileFlags;
}

/** The fields of PJRT_Client_Compile_Args. */
type CompileArguments = Parameters<typeof PjrtApi.prototype.call<'Client_Compile'>>[1];

/** The fields of PJRT_Executable_DeserializeAndLoad_Args. */
type LoadArguments = Parameters<typeof PjrtApi.prototype.call<'Executable_DeserializeAndLoad'>>[1];

/** How many of a client's objects are alive: in a loop, the numbers stay the same from one turn to the next. */
export interface LiveObjects {
  readonly buffers: number;
  readonly executables: number;
  /** Runs and uploads that were under way when it was last looked at. */
  readonly started: number;
}

/**
 * The devices of a plugin, with programs and buffers on them. Calls are safe: objects that are disposed, donated or of
 * another client are refused, with an EngineError.
 */
export class Client {
  readonly devices: readonly Device[];
  /** As "cpu" or "cuda". */
  readonly platform: string;
  readonly platformVersion: string;
  private readonly session: Session;
  private closing: Promise<void> | undefined;

  /** Throws EngineError if the device cannot be opened, or an option is unknown or of another type. */
  constructor(
    private readonly api: PjrtApi,
    options: ClientOptions = {},
    /** XLA's options for every compilation; those of a call come on top. */
    private readonly flags: CompileFlags = {},
    /** XLA's options for programs that are not for short calls, on top of `flags`. */
    private readonly longCallFlags: CompileFlags = {},
  ) {
    const named = namedValues(options);
    const client = api.call('Client_Create', { create_options: named, num_options: named.count }, (args) =>
      args.pointer('client'),
    );
    this.devices = api.call('Client_AddressableDevices', { client }, (args) =>
      Array.from(
        readWords(args.pointer('addressable_devices'), args.number('num_addressable_devices')),
        (pointer) => new Device(api, pointer),
      ),
    );
    this.platform = api.call('Client_PlatformName', { client }, (args) =>
      readText(args.pointer('platform_name'), args.number('platform_name_size')),
    );
    this.platformVersion = api.call('Client_PlatformVersion', { client }, (args) =>
      readText(args.pointer('platform_version'), args.number('platform_version_size')),
    );
    this.session = new Session(api, client, this.devices);
  }

  get live(): LiveObjects {
    const { buffers, executables, started } = this.session;
    started.sweep();
    return { buffers: buffers.size, executables: executables.size, started: started.count };
  }

  /** What compiles a program for a device, in words; it decides where the program can be loaded. */
  compilerOf(device: Device): string {
    const plugin = `${this.platformVersion}, C API ${this.api.version}, plugin of ${this.api.fileBytes} bytes`;
    return `${this.platform} for "${device.kind}" (${plugin})`;
  }

  /**
   * Copies a typed array to a device, by default the first. bfloat16 and float16 come as their bits (Uint16Array),
   * booleans as bytes, complex numbers as pairs of floats. The array may change as soon as the call has returned,
   * unless it is `immutable`: then the call only starts the transfer. Throws EngineError if its kind or length does not fit the type, or memory runs out.
   */
  upload(
    values: ArrayBufferView,
    type: TensorType,
    device: Device = this.devices[0],
    options?: UploadOptions,
  ): DeviceBuffer {
    this.checkDevice(device);
    return upload(this.session, values, type, device, options);
  }

  /**
   * Compiles StableHLO (text) for one device, on another thread. Rejects with EngineError, whose message has the
   * compiler's first line and whose cause has all, if the program is wrong.
   */
  compile(code: string, options: CompileOptions = {}): Promise<Executable> {
    return this.session.during(this.startCompiling(code, options));
  }

  /** As `compile`, while this thread waits. */
  compileSync(code: string, options: CompileOptions = {}): Executable {
    const devices = this.devicesFor(options);
    const loaded = this.session.api.call('Client_Compile', this.compileArguments(code, options, devices), (args) =>
      args.pointer('executable'),
    );
    return this.adoptCompiled(loaded, code, options, devices);
  }

  private async startCompiling(code: string, options: CompileOptions): Promise<Executable> {
    const devices = this.devicesFor(options);
    const loaded = await this.api.callAsync('Client_Compile', this.compileArguments(code, options, devices), (args) =>
      args.pointer('executable'),
    );
    return this.adoptCompiled(loaded, code, options, devices);
  }

  private devicesFor({ device = this.devices[0], devices = [device] }: CompileOptions): readonly Device[] {
    this.session.assertOpen();
    for (const one of devices) this.checkDevice(one);
    return devices;
  }

  /** XLA's options for a program. */
  flagsOf({ shortCalls = false, flags }: CompileOptions): CompileFlags {
    return { ...this.flags, ...(!shortCalls && this.longCallFlags), ...flags };
  }

  private compileArguments(code: string, given: CompileOptions, devices: readonly Device[]): CompileArguments {
    // MLIR's lexer reads one byte beyond the text, which must be 0.
    const text = Buffer.from(`${code}\0`);
    const format = Buffer.from('mlir');
    const options = compileOptions(
      this.flagsOf(given),
      devices.map(({ id }) => id),
    );
    const program = new Struct(STRUCTS.Program).fill({
      code: text,
      code_size: text.length - 1,
      format,
      format_size: format.length,
    });
    return { client: this.session.client, program, compile_options: options, compile_options_size: options.length };
  }

  private adoptCompiled(
    loaded: Pointer,
    code: string,
    options: CompileOptions,
    devices: readonly Device[],
  ): Executable {
    const compiledBy = this.compilerOf(devices[0]);
    return this.adopt({ loaded, name: options.name ?? 'main', devices, arguments: argumentsOfMain(code), compiledBy });
  }

  /**
   * Loads what `Executable.serialize` gave, on another thread, for the device that it was compiled for. Rejects with
   * EngineError if the bytes are damaged, or of another plugin or version. `name` is that of error messages; by default
   * it is the one that the program was compiled with.
   */
  load(bytes: Uint8Array, name?: string): Promise<Executable> {
    return this.session.during(this.startLoading(bytes, name));
  }

  /** As `load`, while this thread waits. */
  loadSync(bytes: Uint8Array, name?: string): Executable {
    const { header, devices, compiledBy, given } = this.saved(bytes);
    const loaded = this.api.call('Executable_DeserializeAndLoad', given, (args) => args.pointer('loaded_executable'));
    return this.adopt({ loaded, name: name ?? header.name, devices, arguments: header.arguments, compiledBy });
  }

  private async startLoading(bytes: Uint8Array, name: string | undefined): Promise<Executable> {
    const { header, devices, compiledBy, given } = this.saved(bytes);
    const loaded = await this.api.callAsync('Executable_DeserializeAndLoad', given, (args) =>
      args.pointer('loaded_executable'),
    );
    return this.adopt({ loaded, name: name ?? header.name, devices, arguments: header.arguments, compiledBy });
  }

  /** What a saved program says of itself, and how it is loaded. Throws EngineError if it is not for this client. */
  private saved(bytes: Uint8Array): {
    readonly header: SerializedHeader;
    readonly devices: readonly Device[];
    readonly compiledBy: string;
    readonly given: LoadArguments;
  } {
    this.session.assertOpen();
    const { header, program } = unpack(bytes);
    const devices = header.devices.map((wanted) => {
      const device = this.devices.find(({ id }) => id === wanted);
      if (!device) throw unusable(`it is for device ${wanted}, which this client does not have`);
      return device;
    });
    const compiledBy = this.compilerOf(devices[0]);
    if (header.compiledBy !== compiledBy)
      throw unusable(`${header.compiledBy} has compiled it, and this is ${compiledBy}`);
    const given = {
      client: this.session.client,
      serialized_executable: program,
      serialized_executable_size: program.length,
    };
    return { header, devices, compiledBy, given };
  }

  /** Whether the plugin can save and load compiled programs. */
  get serializes(): boolean {
    return (['Executable_Serialize', 'Executable_DeserializeAndLoad'] satisfies CallName[]).every((name) =>
      this.api.has(name),
    );
  }

  /**
   * Finishes what is under way and frees everything, buffers and executables included; only `dispose` of them is
   * allowed afterwards. Closing twice is allowed.
   */
  close(): Promise<void> {
    return (this.closing ??= this.session.close());
  }

  private adopt(program: ConstructorParameters<typeof Executable>[1]): Executable {
    return new Executable(this.session, program);
  }

  private checkDevice(device: Device): void {
    if (this.devices.includes(device)) return;
    throw new EngineError(`${device.name} is not a device of this client.`, { code: 'engine.inputs' });
  }
}
