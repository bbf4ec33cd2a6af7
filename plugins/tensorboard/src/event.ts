/**
 * The part of TensorBoard's `Event` (tensorflow/core/util/event.proto, summary.proto) that Graft writes, in the
 * encoding of protocol buffers: each field is a key (number and wire type) and a value.
 */
const VARINT = 0;
const DOUBLE = 1;
const BYTES = 2;
const FLOAT = 5;

const DT_STRING = 7;
const DATA_CLASS_TENSOR = 2;
const SESSION_START = 1;

/** The contents of an event, besides time and step. */
export type EventContents =
  | { readonly fileVersion: string }
  /** The numbers of a step by tag. */
  | { readonly scalars: Readonly<Record<string, number>> }
  /** A text in Markdown. */
  | { readonly text: { readonly tag: string; readonly markdown: string } }
  /** Invalidates the events of this step and later ones, in this file and in earlier ones. */
  | { readonly restart: true };

/** `wallTime`: seconds since 1970. `step`: an integer from 0. */
export function encodeEvent(wallTime: number, step: number, contents: EventContents): Buffer {
  return Buffer.concat([double(1, wallTime), ...(step === 0 ? [] : [varint(2, step)]), encodeContents(contents)]);
}

function encodeContents(contents: EventContents): Buffer {
  if ('fileVersion' in contents) return text(3, contents.fileVersion);
  if ('restart' in contents) return message(7, varint(1, SESSION_START));
  if ('text' in contents) return message(5, message(1, ...textValue(contents.text)));
  const values = Object.entries(contents.scalars).map(([tag, value]) => message(1, text(1, tag), float(2, value)));
  return message(5, ...values);
}

function textValue({ tag, markdown }: { readonly tag: string; readonly markdown: string }): Buffer[] {
  const shape = message(2, message(2, varint(1, 1)));
  const tensor = message(8, varint(1, DT_STRING), shape, text(8, markdown));
  const metadata = message(9, message(1, text(1, 'text')), varint(4, DATA_CLASS_TENSOR));
  return [text(1, tag), tensor, metadata];
}

function key(field: number, wireType: number): number[] {
  return encodeVarint(field * 8 + wireType);
}

/** Base 128, the lowest seven bits first. */
function encodeVarint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

function varint(field: number, value: number): Buffer {
  return Buffer.from([...key(field, VARINT), ...encodeVarint(value)]);
}

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.from([...key(field, DOUBLE), ...bytes]);
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.from([...key(field, FLOAT), ...bytes]);
}

function text(field: number, value: string): Buffer {
  return message(field, Buffer.from(value));
}

function message(field: number, ...parts: readonly Buffer[]): Buffer {
  const inner = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([...key(field, BYTES), ...encodeVarint(inner.length)]), inner]);
}
