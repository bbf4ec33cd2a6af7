import type { Pointer } from '../../../foreign/memory';
import { ATTRIBUTE, type OpAttribute } from '../../../kernels/attributes';
import { unsupportedAttribute } from '../../../kernels/kernel-errors';
import type { TensorFlowApi } from './api';
import { int64Array } from './int64-array';

/** The functions that set attributes of an operation that is executed, or of one of a graph. */
export interface AttributeSetters {
  readonly string: TensorFlowApi['TF_SetAttrString'];
  readonly int: TensorFlowApi['TF_SetAttrInt'];
  readonly ints: TensorFlowApi['TF_SetAttrIntList'];
  readonly float: TensorFlowApi['TF_SetAttrFloat'];
  readonly bool: TensorFlowApi['TF_SetAttrBool'];
  readonly dtype: TensorFlowApi['TF_SetAttrType'];
  readonly dtypes: TensorFlowApi['TF_SetAttrTypeList'];
  /** The only one that may refuse its value, by the status; in a graph, the end of the operation does. */
  readonly shape: TensorFlowApi['TFE_OpSetAttrShape'];
}

/* eslint-disable @typescript-eslint/unbound-method -- functions of koffi's read no `this` */

/** For operations that are executed. */
export const eagerSetters = (api: TensorFlowApi): AttributeSetters => ({
  string: api.TFE_OpSetAttrString,
  int: api.TFE_OpSetAttrInt,
  ints: api.TFE_OpSetAttrIntList,
  float: api.TFE_OpSetAttrFloat,
  bool: api.TFE_OpSetAttrBool,
  dtype: api.TFE_OpSetAttrType,
  dtypes: api.TFE_OpSetAttrTypeList,
  shape: api.TFE_OpSetAttrShape,
});

/** For operations of a graph. */
export const graphSetters = (api: TensorFlowApi): AttributeSetters => ({
  string: api.TF_SetAttrString,
  int: api.TF_SetAttrInt,
  ints: api.TF_SetAttrIntList,
  float: api.TF_SetAttrFloat,
  bool: api.TF_SetAttrBool,
  dtype: api.TF_SetAttrType,
  dtypes: api.TF_SetAttrTypeList,
  shape: (description, name, dims, rank) => api.TF_SetAttrShape(description, name, dims, rank),
});

/* eslint-enable @typescript-eslint/unbound-method */

/** Sets an attribute; the caller checks the status. `operation`: for errors. Throws EngineError for an unknown kind. */
export function setAttribute(
  set: AttributeSetters,
  target: Pointer,
  { name, type, value }: OpAttribute,
  operation: string,
  status: Pointer,
): void {
  switch (type) {
    case ATTRIBUTE.STRING:
      return set.string(target, name, value as string, Buffer.byteLength(value as string));
    case ATTRIBUTE.INT:
      return Array.isArray(value)
        ? set.ints(target, name, int64Array(value as number[]), value.length)
        : set.int(target, name, value as number);
    case ATTRIBUTE.FLOAT:
      return set.float(target, name, value as number);
    case ATTRIBUTE.BOOL:
      return set.bool(target, name, value ? 1 : 0);
    case ATTRIBUTE.DTYPE:
      return Array.isArray(value)
        ? set.dtypes(target, name, Int32Array.from(value as number[]), value.length)
        : set.dtype(target, name, value as number);
    case ATTRIBUTE.SHAPE:
      return set.shape(target, name, int64Array(value as number[]), (value as number[]).length, status);
    default:
      throw unsupportedAttribute(operation, name, type);
  }
}
