import type { Pointer } from '../../../foreign/memory';
import type { TensorFlowApi } from './api';
import { ATTRIBUTE, type OpAttribute } from '../../../kernels/attributes';
import { int64Array } from './int64-array';
import { unsupportedAttribute } from '../../../kernels/kernel-errors';

/** Sets an attribute of an eager operation. */
export function setEagerAttribute(
  api: TensorFlowApi,
  op: Pointer,
  { name, type, value }: OpAttribute,
  operation: string,
  status: Pointer,
): void {
  switch (type) {
    case ATTRIBUTE.STRING:
      return api.TFE_OpSetAttrString(op, name, value as string, Buffer.byteLength(value as string));
    case ATTRIBUTE.INT:
      return Array.isArray(value)
        ? api.TFE_OpSetAttrIntList(op, name, int64Array(value as number[]), value.length)
        : api.TFE_OpSetAttrInt(op, name, value as number);
    case ATTRIBUTE.FLOAT:
      return api.TFE_OpSetAttrFloat(op, name, value as number);
    case ATTRIBUTE.BOOL:
      return api.TFE_OpSetAttrBool(op, name, value ? 1 : 0);
    case ATTRIBUTE.DTYPE:
      return Array.isArray(value)
        ? api.TFE_OpSetAttrTypeList(op, name, Int32Array.from(value as number[]), value.length)
        : api.TFE_OpSetAttrType(op, name, value as number);
    case ATTRIBUTE.SHAPE:
      // The only kind that may be refused: the caller checks the status.
      return api.TFE_OpSetAttrShape(op, name, int64Array(value as number[]), (value as number[]).length, status);
    default:
      throw unsupportedAttribute(operation, name, type);
  }
}
