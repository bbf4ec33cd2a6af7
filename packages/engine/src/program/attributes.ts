import type { DType } from './dtypes';

/** What an attribute of each kind holds. */
export interface AttributeValues {
  string: string;
  int: number;
  ints: readonly number[];
  float: number;
  bool: boolean;
  dtype: DType;
  dtypes: readonly DType[];
  shape: readonly number[];
}

type AttributeOf<K extends keyof AttributeValues> = { readonly kind: K; readonly value: AttributeValues[K] };

/** The value of an operation's attribute, with its kind, which a target must know to pass it on. */
export type Attribute = { [K in keyof AttributeValues]: AttributeOf<K> }[keyof AttributeValues];

/** Attributes by name. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** The value of an attribute of that kind; undefined if the operation has none of that name and kind. */
export function attribute<K extends keyof AttributeValues>(
  attributes: Attributes,
  name: string,
  kind: K,
): AttributeValues[K] | undefined {
  const found = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  return found?.kind === kind ? (found.value as AttributeValues[K]) : undefined;
}

/** Whether a flag is set; a missing one is not. */
export function isSet(attributes: Attributes, name: string): boolean {
  return attribute(attributes, name, 'bool') === true;
}

export const dtypeOf = (value: DType): Attribute => ({ kind: 'dtype', value });
export const flagOf = (value: boolean): Attribute => ({ kind: 'bool', value });
export const intOf = (value: number): Attribute => ({ kind: 'int', value });

/** A text that is equal for equal attributes. */
export function attributesText(attributes: Attributes): string {
  return Object.entries(attributes)
    .map(([name, { kind, value }]) => `${name}=${kind}:${String(value)}`)
    .join();
}
