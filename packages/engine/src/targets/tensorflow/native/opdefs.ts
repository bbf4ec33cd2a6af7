import { readNative, type Pointer } from '../../../foreign/memory';
import type { TensorFlowApi } from './api';

/**
 * How an operation takes its inputs. A graph receives a list input as one list, eager execution takes the same
 * tensors one by one; the signature says which inputs belong together.
 */
export interface OpInput {
  /** Attribute with the number of tensors in the list (`N`), or undefined for a single tensor. */
  countAttribute?: string;
  /** Attribute with the list of dtypes, for lists of mixed types. */
  typesAttribute?: string;
}

const decoder = new TextDecoder();

/** Reads one protobuf message: calls `field` with the number and, for length-delimited fields, their bytes. */
function readMessage(bytes: Uint8Array, field: (number: number, value: Uint8Array) => void): void {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    switch (tag & 7) {
      case 0:
        varint();
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        field(tag >>> 3, bytes.subarray(at, at + length));
        at += length;
        break;
      }
      default:
        at += 4;
    }
  }
}

// Field numbers of tensorflow/core/framework/op_def.proto.
const OP_LIST = { op: 1 };
const OP_DEF = { name: 1, inputArg: 2 };
const ARG_DEF = { numberAttr: 5, typeListAttr: 6 };

/** Reads a TF_Buffer { const void *data; size_t length; ... } into JavaScript's memory. */
function copyBuffer(buffer: Pointer): Uint8Array {
  const fields = new BigUint64Array(readNative(buffer, 16).buffer);
  return readNative(fields[0], Number(fields[1]));
}

/** Signatures of every operation that the library knows, by name. */
export function readOpSignatures(api: TensorFlowApi): Map<string, readonly OpInput[]> {
  const buffer = api.TF_GetAllOpList();
  const bytes = copyBuffer(buffer);
  api.TF_DeleteBuffer(buffer);
  const signatures = new Map<string, readonly OpInput[]>();
  readMessage(bytes, (number, op) => {
    if (number !== OP_LIST.op) return;
    let name = '';
    const inputs: OpInput[] = [];
    readMessage(op, (field, value) => {
      if (field === OP_DEF.name) name = decoder.decode(value);
      if (field !== OP_DEF.inputArg) return;
      const input: OpInput = {};
      readMessage(value, (argument, text) => {
        if (argument === ARG_DEF.numberAttr) input.countAttribute = decoder.decode(text);
        if (argument === ARG_DEF.typeListAttr) input.typesAttribute = decoder.decode(text);
      });
      inputs.push(input);
    });
    signatures.set(name, inputs);
  });
  return signatures;
}
