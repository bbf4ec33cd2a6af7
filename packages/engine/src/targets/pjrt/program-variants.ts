import { EngineError } from '@graft/errors';
import { fullSharding, localShape, shardingText, type Sharding } from '../../mesh/sharding';
import type { Program, Value } from '../../program/program';
import type { Replacements } from '../../target/target';
import { lowerToStableHlo } from '../stablehlo/lower';
import { constraintOf } from '../stablehlo/shardy';
import type { DeviceBuffer, TensorBuffer } from './buffer';
import type { Client, CompileOptions } from './client';
import type { Executable } from './executable';
import { describeType, sameType } from './host-values';
import { fromBytes } from '../../program/bytes';
import { MeshBuffer, replicate, uploadToMesh, type MeshDevices } from './mesh-buffer';
import type { PjrtTensor } from './pjrt-tensor';

/** A program for one device, or for one way in which its inputs are split over a mesh. It is compiled by its first call. */
export interface ProgramVariant {
  compile(): Promise<void>;
  compileSync(): void;
  readonly isCompiled: boolean;
  /** Starts a run; returns all results. */
  run(inputs: readonly PjrtTensor[]): TensorBuffer[];
  dispose(): void;
}

/** What variants have in common: compiling. */
abstract class Variant implements ProgramVariant {
  protected executable: Executable | undefined;

  constructor(
    protected readonly client: Client,
    private readonly code: string,
    private readonly options: CompileOptions,
  ) {}

  get isCompiled(): boolean {
    return this.executable !== undefined;
  }

  async compile(): Promise<void> {
    const compiled = await this.client.compile(this.code, this.options);
    // Another call may have compiled it meanwhile.
    if (this.executable) compiled.dispose();
    else this.executable = compiled;
  }

  compileSync(): void {
    this.executable ??= this.client.compileSync(this.code, this.options);
  }

  abstract run(inputs: readonly PjrtTensor[]): TensorBuffer[];

  dispose(): void {
    this.executable?.dispose();
    this.executable = undefined;
  }
}

class OnOneDevice extends Variant {
  run(inputs: readonly PjrtTensor[]): DeviceBuffer[] {
    return this.executable!.execute(inputs.map(({ buffer }) => onFirstDevice(buffer)));
  }
}

/** Inputs that are on one device are replicated over the mesh, and stay so. */
class OnMesh extends Variant {
  constructor(
    client: Client,
    private readonly program: Program,
    code: string,
    options: CompileOptions,
    private readonly mesh: MeshDevices,
    private readonly results: readonly Sharding[],
  ) {
    super(client, code, { ...options, devices: mesh.devices });
  }

  run(inputs: readonly PjrtTensor[]): MeshBuffer[] {
    const { client, mesh, program, results } = this;
    const buffers = inputs.map((tensor) => placedOn(client, mesh, tensor));
    const slices = this.executable!.executePartitioned(
      mesh.devices.map((_, device) => buffers.map((buffer) => buffer.slices[device])),
    );
    return program.results.map(({ dtype, shape }, i) => {
      const expected = { dtype, shape: localShape(shape, results[i], mesh.axes) };
      const own = slices.map((ofDevice) => ofDevice[i]);
      if (!sameType(own[0], expected))
        throw new Error(`result ${i} is ${describeType(own[0])} on each device, not ${describeType(expected)}`);
      return new MeshBuffer(mesh, results[i], own, dtype, shape);
    });
  }
}

/** A program's variants: the one for a device, and one for each way in which inputs have come split over a mesh. */
export class ProgramVariants {
  private readonly single: ProgramVariant;
  private readonly onMeshes = new Map<string, ProgramVariant>();
  private readonly options: CompileOptions;
  private readonly follow: boolean;

  /**
   * `follow`: results of an input's shape are split like it. Otherwise, each device has all of a result. `shortCalls`: as
   * for `engine.jit`.
   */
  constructor(
    private readonly client: Client,
    private readonly program: Program,
    private readonly replacements: Replacements,
    { follow = false, shortCalls = false }: { readonly follow?: boolean; readonly shortCalls?: boolean } = {},
  ) {
    this.follow = follow;
    this.options = { name: program.name, shortCalls };
    // At once, also where a mesh runs it: what cannot be lowered is refused before a call takes its inputs.
    this.single = new OnOneDevice(
      client,
      lowerToStableHlo(program, { replacements, platform: client.platform }),
      this.options,
    );
  }

  /** The one for such inputs. Throws EngineError if they are on several meshes. */
  for(inputs: readonly PjrtTensor[]): ProgramVariant {
    const mesh = meshOf(inputs, this.replacements);
    if (!mesh) return this.single;
    const shardings = inputs.map(({ buffer }) => shardingOn(mesh, buffer));
    const key = `${JSON.stringify(mesh.axes)} ${shardings.map(shardingText).join(';')}`;
    let variant = this.onMeshes.get(key);
    if (!variant) this.onMeshes.set(key, (variant = this.onMesh(mesh, shardings)));
    return variant;
  }

  dispose(): void {
    this.single.dispose();
    for (const variant of this.onMeshes.values()) variant.dispose();
    this.onMeshes.clear();
  }

  private onMesh(mesh: MeshDevices, inputs: readonly Sharding[]): ProgramVariant {
    const { client, program, replacements } = this;
    const { axes } = mesh;
    const results = program.results.map((value, i): Sharding => {
      const replaced = replacements.get(i);
      if (replaced !== undefined) return inputs[replaced];
      return constrainedTo(value, mesh) ?? (this.follow ? this.likeAnInput(value, inputs) : whole(value));
    });
    const code = lowerToStableHlo(program, {
      replacements,
      platform: client.platform,
      sharding: { axes, inputs, results },
    });
    return new OnMesh(client, program, code, this.options, mesh, results);
  }

  private likeAnInput(value: Value, inputs: readonly Sharding[]): Sharding {
    const given = [...this.program.arguments, ...this.program.captures];
    const like = given.findIndex(
      ({ outputs: [{ shape }] }, i) =>
        shape.join() === value.shape.join() && inputs[i].some(({ length }) => length > 0),
    );
    return like < 0 ? whole(value) : inputs[like];
  }
}

const whole = ({ shape }: { readonly shape: readonly number[] }): Sharding => shape.map(() => []);

function constrainedTo({ producer, shape }: Value, { axes }: MeshDevices): Sharding | undefined {
  const spec = producer.kind === 'operation' && producer.op === 'Identity' && constraintOf(producer.attributes);
  return spec ? fullSharding(spec, shape, axes) : undefined;
}

/** The mesh on which a program runs: where an input is split, or where one is that a result replaces. */
function meshOf(inputs: readonly PjrtTensor[], replacements: Replacements): MeshDevices | undefined {
  for (const { buffer } of inputs) if (buffer instanceof MeshBuffer && buffer.isPartitioned) return buffer.mesh;
  for (const position of replacements.values()) {
    const { buffer } = inputs[position];
    if (buffer instanceof MeshBuffer) return buffer.mesh;
  }
  return undefined;
}

function shardingOn(mesh: MeshDevices, buffer: TensorBuffer): Sharding {
  if (!(buffer instanceof MeshBuffer) || !buffer.isPartitioned) return whole(buffer);
  if (buffer.mesh === mesh) return buffer.sharding;
  throw new EngineError('A compiled function was given tensors that are split over two different meshes.', {
    code: 'engine.sharding',
    hint: 'Place all of them with `shard` of the same mesh.',
  });
}

/** The tensor on all devices of the mesh. One that is elsewhere is copied, and from then on is there. */
function placedOn(client: Client, mesh: MeshDevices, tensor: PjrtTensor): MeshBuffer {
  const { buffer } = tensor;
  if (buffer instanceof MeshBuffer) {
    if (buffer.mesh === mesh) return buffer;
    const moved = uploadToMesh(client, buffer.readSync(), buffer, mesh, whole(buffer));
    buffer.dispose();
    return (tensor.buffer = moved);
  }
  const own = buffer as DeviceBuffer;
  const host = tensor.host && fromBytes(tensor.host, own.dtype);
  return (tensor.buffer = replicate(client, own, mesh, host));
}

/** A whole copy, which the first device of every mesh has: that is the client's first. */
const onFirstDevice = (buffer: TensorBuffer): DeviceBuffer =>
  buffer instanceof MeshBuffer ? buffer.slices[0] : (buffer as DeviceBuffer);
