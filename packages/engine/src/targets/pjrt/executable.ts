import { EngineError } from '@graft/errors';
import { DeviceBuffer } from './buffer';
import type { Device } from './device';
import { dtypeOf } from './element-types';
import { describeType, sameType, type TensorType } from './host-values';
import { STRUCTS } from './layout';
import { readNative, readWords, words, type Pointer } from './memory';
import { RunLists } from './run-lists';
import { pack } from './serialized';
import type { Session } from './session';
import type { Argument } from './signature';
import { Struct, type FieldOf } from './structs';

/** Bytes that the compiler plans for a run on one device. */
export interface CompiledMemory {
  readonly argumentBytes: number;
  readonly outputBytes: number;
  /** Of results that take the place of donated inputs; they are in both of the above. */
  readonly aliasBytes: number;
  readonly temporaryBytes: number;
  readonly peakBytes: number;
}

export interface ExecuteOptions {
  /** Indices of inputs that stay usable although the program could take them as donations; it copies them. */
  readonly keep?: readonly number[];
}

/** What a new executable is made of. */
export interface LoadedProgram {
  readonly loaded: Pointer;
  readonly name: string;
  /** One for each partition, in order. */
  readonly devices: readonly Device[];
  readonly arguments: readonly Argument[] | undefined;
  /** As `SerializedHeader.compiledBy`. */
  readonly compiledBy: string;
}

/** A program compiled for a device, or partitioned over several. Whoever has it disposes it. */
export class Executable {
  readonly name: string;
  /** Types of the results; of a partitioned program, those of each device's slices. */
  readonly outputs: readonly TensorType[];
  private readonly executable: Pointer;
  private readonly options = new Struct<FieldOf<typeof STRUCTS.ExecuteOptions>>(STRUCTS.ExecuteOptions);
  private lists: RunLists | undefined;
  private running = 0;
  private isDisposed = false;
  /** Inputs that a run took although nobody asked to keep them; known after the first run. */
  private donated: readonly number[] | undefined;

  constructor(
    private readonly session: Session,
    private readonly program: LoadedProgram,
  ) {
    this.name = program.name;
    const { api } = session;
    this.executable = api.call('LoadedExecutable_GetExecutable', { loaded_executable: program.loaded }, (args) =>
      args.pointer('executable'),
    );
    session.executables.add(this);
    try {
      this.outputs = this.readOutputs();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  get disposed(): boolean {
    return this.isDisposed;
  }

  /**
   * Starts a run and returns its results, which are still being computed: they can be inputs of the next run at once.
   * Reading one waits, and rejects if the run failed. Donated inputs are no longer usable; the caller disposes the others
   * and the results. Throws EngineError if the inputs do not fit the program, or one is disposed or donated.
   */
  execute(inputs: readonly DeviceBuffer[], options: ExecuteOptions = {}): DeviceBuffer[] {
    return this.executePartitioned([inputs], options)[0];
  }

  /** As `execute`, on all devices of a partitioned program: inputs and results by device, then by position. */
  executePartitioned(inputs: readonly (readonly DeviceBuffer[])[], options: ExecuteOptions = {}): DeviceBuffer[][] {
    this.assertUsable();
    const { devices } = this.program;
    const kept = options.keep ?? [];
    if (inputs.length !== devices.length)
      throw this.wrong(`runs on ${devices.length} devices, but got inputs for ${inputs.length}`);
    inputs.forEach((own, at) => this.checkInputs(own, kept, devices[at]));
    const inputCount = inputs[0].length;
    const lists = this.listsFor(inputCount);
    inputs.forEach((own, at) => own.forEach((input, i) => (lists.inputs[at][i] = input.pointer)));
    this.options.fill({
      non_donatable_input_indices: words(kept),
      num_non_donatable_input_indices: kept.length,
    });
    try {
      this.session.api.call('LoadedExecutable_Execute', {
        executable: this.program.loaded,
        options: this.options,
        argument_lists: lists.inputLists,
        num_devices: devices.length,
        num_args: inputCount,
        output_lists: lists.outputLists,
        device_complete_events: lists.events,
      });
    } catch (error) {
      // A run that fails late has taken its donations.
      for (const input of inputs.flat()) input.takeDonation();
      throw error;
    }
    const pointers = lists.outputs.map((own) => Array.from(own));
    for (const event of Array.from(lists.events)) {
      this.running++;
      this.session.started.add(this.session.event(event), () => this.ended());
    }
    for (const own of inputs) this.takeDonations(own, kept);
    return devices.map((device, at) =>
      this.outputs.map(({ dtype, shape }, i) => new DeviceBuffer(this.session, pointers[at][i], device, dtype, shape)),
    );
  }

  /** Bytes that a run needs. Throws EngineError (engine.unsupported) where the plugin does not report them. */
  memory(): CompiledMemory {
    this.assertUsable();
    return this.session.api.call('Executable_GetCompiledMemoryStats', { executable: this.executable }, (args) => ({
      argumentBytes: args.number('argument_size_in_bytes'),
      outputBytes: args.number('output_size_in_bytes'),
      aliasBytes: args.number('alias_size_in_bytes'),
      temporaryBytes: args.number('temp_size_in_bytes'),
      peakBytes: args.number('peak_memory_in_bytes'),
    }));
  }

  /** Bytes for `Client.load` of the same plugin, later or in another process. */
  serialize(): Uint8Array {
    this.assertUsable();
    const { api } = this.session;
    const program = api.call('Executable_Serialize', { executable: this.executable }, (args) => {
      const bytes = readNative(args.pointer('serialized_bytes'), args.number('serialized_bytes_size'));
      api.delete(args.pointer('serialized_executable_deleter'), args.pointer('serialized_executable'));
      return bytes;
    });
    const { compiledBy, name, devices, arguments: types } = this.program;
    return pack({ compiledBy, name, devices: devices.map(({ id }) => id), arguments: types }, program);
  }

  /** Runs that have started still finish. Disposing twice is allowed. */
  dispose(): void {
    if (this.isDisposed) return;
    // May find that the last run has ended, which would destroy a disposed program.
    this.session.started.sweep();
    this.isDisposed = true;
    this.session.executables.delete(this);
    if (this.running === 0) this.destroy();
  }

  private listsFor(inputCount: number): RunLists {
    if (this.lists?.inputCount !== inputCount)
      this.lists = new RunLists(inputCount, this.outputs.length, this.program.devices.length);
    return this.lists;
  }

  private ended(): void {
    this.running--;
    if (this.isDisposed && this.running === 0) this.destroy();
  }

  private destroy(): void {
    this.session.api.call('Executable_Destroy', { executable: this.executable });
    this.session.api.call('LoadedExecutable_Destroy', { executable: this.program.loaded });
  }

  private assertUsable(): void {
    this.session.assertOpen();
    if (this.isDisposed)
      throw new EngineError(`The program "${this.name}" was used after it was disposed.`, { code: 'engine.disposed' });
  }

  private wrong(reason: string): EngineError {
    return new EngineError(`The program "${this.name}" ${reason}.`, { code: 'engine.inputs' });
  }

  private checkInputs(inputs: readonly DeviceBuffer[], kept: readonly number[], device: Device): void {
    const wrong = (reason: string): EngineError => this.wrong(reason);
    const expected = this.program.arguments;
    if (expected && inputs.length !== expected.length)
      throw wrong(`takes ${expected.length} inputs, but got ${inputs.length}`);
    inputs.forEach((input, i) => {
      if (!input.belongsTo(this.session)) throw wrong(`was given input ${i} of another client`);
      if (input.device !== device) throw wrong(`runs on ${device.name}, but input ${i} is on ${input.device.name}`);
      const type = expected?.[i].type;
      if (type && !sameType(type, input))
        throw wrong(`takes ${describeType(type)} as input ${i}, but got ${describeType(input)}`);
    });
    const unknown = kept.find((i) => !Number.isInteger(i) || i < 0 || i >= inputs.length);
    if (unknown !== undefined) throw wrong(`has no input ${unknown} to keep`);
    if (new Set(inputs).size < inputs.length) {
      const [first, second] = this.donatedTwice(inputs, kept) ?? [];
      if (first !== undefined) {
        throw new EngineError(
          `The program "${this.name}" was given the same buffer as inputs ${first} and ${second}, and takes it as a donation.`,
          { code: 'engine.consumed-twice' },
        );
      }
    }
  }

  /** Two inputs that are the same buffer, one of which the run would take. */
  private donatedTwice(inputs: readonly DeviceBuffer[], kept: readonly number[]): number[] | undefined {
    for (const [i, { donated }] of (this.program.arguments ?? []).entries()) {
      if (!donated || kept.includes(i)) continue;
      const other = inputs.findIndex((input, j) => j !== i && input === inputs[i]);
      if (other >= 0) return [i, other].sort((a, b) => a - b);
    }
    return undefined;
  }

  private takeDonations(inputs: readonly DeviceBuffer[], kept: readonly number[]): void {
    const candidates =
      this.donated ?? inputs.map((_, i) => i).filter((i) => this.program.arguments?.[i].donated ?? true);
    const taken = candidates.filter((i) => !kept.includes(i) && inputs[i].takeDonation());
    if (kept.length === 0) this.donated ??= taken;
  }

  private readOutputs(): TensorType[] {
    const { api } = this.session;
    const executable = this.executable;
    const dtypes = api.call('Executable_OutputElementTypes', { executable }, (args) => {
      const types = readNative(args.pointer('output_types'), args.number('num_output_types') * 4);
      return Array.from(new Int32Array(types.buffer), dtypeOf);
    });
    return api.call('Executable_OutputDimensions', { executable }, (args) => {
      const ranks = readWords(args.pointer('dim_sizes'), args.number('num_outputs'));
      const total = ranks.reduce((sum, rank) => sum + Number(rank), 0);
      const dims = Array.from(readWords(args.pointer('dims'), total), Number);
      return dtypes.map((dtype, i) => ({ dtype, shape: dims.splice(0, Number(ranks[i])) }));
    });
  }
}
