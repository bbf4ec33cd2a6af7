import { EngineError } from '@graft/errors';
import { attributesText } from '../../program/attributes';
import { programAttributes, type OpAttribute } from '../../kernels/attributes';
import { dtypeName, tensorFlowType } from '../../kernels/dtypes';
import { fromBytes } from '../../program/bytes';
import { DynamicShape, findOperation, ShapeError, type Call } from '../../program/operations';
import {
  withOutputs,
  type ArgumentNode,
  type ConstantNode,
  type OperationNode,
  type Program,
  type Value,
  type ValueType,
} from '../../program/program';
import type { EagerRuntime } from '../../target/runtime';
import type { TensorBuffer } from './buffer';
import type { Client } from './client';
import { ProgramVariants } from './program-variants';
import type { PjrtTensor } from './pjrt-tensor';

export type { PjrtTensor } from './pjrt-tensor';

/** Values up to this size are kept on the host, too: shapes and axes are read from there when a program is built. */
const HOST_BYTES = 1024;

/** Single operations on a device: each is a program of one operation, compiled once for its types. */
export class PjrtRuntime implements EagerRuntime<PjrtTensor> {
  liveTensors = 0;
  liveBytes = 0;
  private readonly programs = new Map<string, ProgramVariants>();

  constructor(readonly client: Client) {}

  get version(): string {
    return this.client.platformVersion;
  }

  createTensor(shape: readonly number[], dtype: number, bytes: Uint8Array): PjrtTensor {
    const name = dtypeName(dtype);
    // The caller's array may change; the copy does not, so that the upload need not wait.
    const own = bytes.slice();
    const buffer = this.client.upload(fromBytes(own, name), { dtype: name, shape }, undefined, { immutable: true });
    return this.own(buffer, own.length <= HOST_BYTES ? own : undefined);
  }

  deleteTensor(tensor: PjrtTensor): void {
    tensor.deleted = true;
    if (tensor.holds === 0) tensor.buffer.dispose();
    this.liveTensors--;
    this.liveBytes -= tensor.bytes;
  }

  /** Keeps tensors usable, also if they are deleted, until the work is done. */
  async during<T>(tensors: readonly PjrtTensor[], work: () => Promise<T>): Promise<T> {
    for (const tensor of tensors) tensor.holds++;
    try {
      return await work();
    } finally {
      for (const tensor of tensors) if (--tensor.holds === 0 && tensor.deleted) tensor.buffer.dispose();
    }
  }

  readTensor({ buffer }: PjrtTensor): Uint8Array {
    return bytesOf(buffer.readSync());
  }

  async readPending({ buffer }: PjrtTensor): Promise<Uint8Array> {
    return bytesOf(await buffer.read());
  }

  share(tensor: PjrtTensor): PjrtTensor {
    return this.execute('Identity', [], [tensor], 1)[0];
  }

  execute(
    op: string,
    attributes: readonly OpAttribute[],
    inputs: readonly PjrtTensor[],
    outputCount: number,
  ): PjrtTensor[] {
    const operation = findOperation(op);
    if (!operation)
      throw new EngineError(`${op} is not an operation of the PJRT target.`, { code: 'engine.unknown-operation' });
    const hosts = new Set((operation.hostOperands ?? []).map((at) => (at < 0 ? at + inputs.length : at)));
    // A size of -1 is counted from where the slice begins.
    if (op === 'Slice' && sizesOf(inputs[2]).includes(-1)) hosts.add(1);
    const hostBytes = inputs.map((tensor, at) =>
      hosts.has(at) ? (tensor.host ?? this.readTensor(tensor)) : undefined,
    );
    const named = programAttributes(op, attributes);
    const types = inputs.map((tensor, at) => {
      const host = hostBytes[at];
      return `${tensor.dtype}[${tensor.shape.join()}]${host ? Buffer.from(host).toString('base64') : ''}`;
    });
    const key = `${op}(${types.join()}){${attributesText(named)}}${outputCount}`;
    let known = this.programs.get(key);
    if (!known) {
      const program = oneOperation({ op, attributes: named, inputs: [], outputCount }, inputs, hostBytes);
      this.programs.set(key, (known = new ProgramVariants(this.client, program, new Map(), { follow: true })));
    }
    const given = inputs.filter((_, at) => !hosts.has(at));
    const variant = known.for(given);
    variant.compileSync();
    return variant.run(given).map((buffer) => this.own(buffer));
  }

  /** A tensor that owns the buffer. */
  own(buffer: TensorBuffer, host?: Uint8Array): PjrtTensor {
    this.liveTensors++;
    this.liveBytes += buffer.bytes;
    const { dtype, shape, bytes } = buffer;
    return { buffer, host, dtype: tensorFlowType(dtype), shape: [...shape], bytes, holds: 0, deleted: false };
  }
}

const sizesOf = ({ host }: PjrtTensor): number[] => (host ? Array.from(fromBytes(host.slice(), 'int32'), Number) : []);

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** A program of one operation, whose arguments are the inputs that are not host operands. */
function oneOperation(
  call: Call,
  inputs: readonly PjrtTensor[],
  hostBytes: readonly (Uint8Array | undefined)[],
): Program {
  const constants: ConstantNode[] = [];
  const argumentNodes: ArgumentNode[] = [];
  const values = inputs.map(({ dtype, shape }, at): Value => {
    const bytes = hostBytes[at];
    const type = { dtype: dtypeName(dtype), shape };
    if (bytes) {
      const node = withOutputs<ConstantNode>({ kind: 'constant', bytes, outputs: [] }, [type]);
      constants.push(node);
      return node.outputs[0];
    }
    const node = withOutputs<ArgumentNode>({ kind: 'argument', position: argumentNodes.length, outputs: [] }, [type]);
    argumentNodes.push(node);
    return node.outputs[0];
  });
  const { op, attributes, outputCount } = call;
  const types = inferred({ ...call, inputs: values }).slice(0, outputCount);
  const node = withOutputs<OperationNode>({ kind: 'operation', op, attributes, inputs: values, outputs: [] }, types);
  return { name: op, arguments: argumentNodes, captures: [], nodes: [...constants, node], results: node.outputs };
}

function inferred(call: Call): readonly ValueType[] {
  try {
    return findOperation(call.op)!.infer(call);
  } catch (error) {
    if (error instanceof DynamicShape)
      throw new EngineError(
        `${call.op}: the shape of its result depends on values, which the PJRT target does not support.`,
        {
          code: 'engine.dynamic-shape',
          hint: 'Compute this part on the TensorFlow or the portable engine.',
        },
      );
    if (error instanceof ShapeError)
      throw new EngineError(`${call.op}: ${error.message}`, { code: 'engine.tensorflow', cause: error });
    throw error;
  }
}
