import { bytesField, integerField, textField, varint } from '@graft/engine/internal';

/**
 * The part of TensorBoard's `Event` (tensorflow/core/util/event.proto, summary.proto) that Graft writes, in the
 * encoding of protocol buffers: each field is a key (number and wire type) and a value.
 */
const DOUBLE = 1;
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
  return Buffer.from([
    ...double(1, wallTime),
    ...(step === 0 ? [] : integerField(2, step)),
    ...encodeContents(contents),
  ]);
}

function encodeContents(contents: EventContents): number[] {
  if ('fileVersion' in contents) return textField(3, contents.fileVersion);
  if ('restart' in contents) return message(7, integerField(1, SESSION_START));
  if ('text' in contents) return message(5, message(1, ...textValue(contents.text)));
  const values = Object.entries(contents.scalars).map(([tag, value]) => message(1, textField(1, tag), float(2, value)));
  return message(5, ...values);
}

function textValue({ tag, markdown }: { readonly tag: string; readonly markdown: string }): number[][] {
  const shape = message(2, message(2, integerField(1, 1)));
  const tensor = message(8, integerField(1, DT_STRING), shape, textField(8, markdown));
  const metadata = message(9, message(1, textField(1, 'text')), integerField(4, DATA_CLASS_TENSOR));
  return [textField(1, tag), tensor, metadata];
}

function double(field: number, value: number): number[] {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [...varint(field * 8 + DOUBLE), ...bytes];
}

function float(field: number, value: number): number[] {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return [...varint(field * 8 + FLOAT), ...bytes];
}

const message = (field: number, ...parts: readonly number[][]): number[] => bytesField(field, parts.flat());
