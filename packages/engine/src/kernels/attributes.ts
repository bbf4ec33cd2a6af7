import { ATTRIBUTE, type OpAttribute } from '../native/attributes';

export const dtypeAttribute = (name: string, value: number): OpAttribute => ({ name, type: ATTRIBUTE.DTYPE, value });
export const flag = (name: string, value: boolean): OpAttribute => ({ name, type: ATTRIBUTE.BOOL, value });
