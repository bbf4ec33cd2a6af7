import { isObject } from '@graft/errors';
import type { Message } from '../types';
import type { Failure, WireMessage } from './messages';

/** Maximum number of workers in a group. */
export const MOST_WORKERS = 4096;
/** Maximum size of one worker's value in an exchange, as JSON. */
export const MOST_VALUE_BYTES = 4 << 20;
/** Maximum size of the line with which a worker identifies itself. */
export const MOST_HELLO_BYTES = 256 << 10;
const MOST_SENTENCE = 1 << 20;
/** Maximum depth of nested values. */
const MOST_DEPTH = 200;

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const isText =
  (most: number): Check =>
  (value) =>
    typeof value === 'string' && value.length <= most;
const isInteger =
  (least: number, most: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
const isList =
  (most: number, check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length <= most && value.every(check);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

/** 0: no port. */
const isPort = isInteger(0, 65_535);
const isId = isInteger(0, Number.MAX_SAFE_INTEGER);
const isSentence = isText(MOST_SENTENCE);

const isVersions: Check = (value) =>
  isObject(value) &&
  Object.keys(value).length <= 16 &&
  Object.entries(value).every(([name, version]) => name.length <= 100 && isText(100)(version));

const FAILURE: { readonly [K in keyof Required<Failure>]: Check } = {
  message: isSentence,
  code: isText(100),
  hint: optional(isSentence),
  exitCode: optional((code) => code === 1 || code === 2),
};
const isFailure: Check = (value) => isObject(value) && hasFields(value, FAILURE);

/** JSON that is not nested so deeply that recursion over it could exhaust the stack. */
function isValue(value: unknown, depth = 0): value is Message {
  if (typeof value !== 'object' || value === null) return value !== undefined;
  if (depth === MOST_DEPTH) return false;
  return Object.values(value).every((inner) => isValue(inner, depth + 1));
}

type Checks = Readonly<Record<string, Check>>;

/** Exactly these fields. */
function hasFields(object: Fields, checks: Checks): boolean {
  return (
    Object.entries(checks).every(([name, check]) => check(Object.hasOwn(object, name) ? object[name] : undefined)) &&
    Object.keys(object).every((name) => Object.hasOwn(checks, name))
  );
}

type Kind = WireMessage['t'];
type MessageOf<T extends Kind> = Extract<WireMessage, { readonly t: T }>;
type Schema<T extends Kind> = { readonly [K in keyof Required<Omit<MessageOf<T>, 't'>>]: Check };

const SCHEMAS: { readonly [T in Kind]: Schema<T> } = {
  hello: {
    rank: isInteger(0, MOST_WORKERS - 1),
    workers: isList(MOST_WORKERS, isText(300)),
    versions: isVersions,
    dataPort: isPort,
  },
  welcome: { dataPorts: isList(MOST_WORKERS, isPort) },
  alive: {},
  value: { id: isId, value: (value) => isValue(value) },
  values: { id: isId, values: isList(MOST_WORKERS, (value) => isValue(value)) },
  fail: { reason: isSentence },
  lost: { failure: isFailure },
  leave: {},
};

/** A line as a message, or a text that explains what is wrong with it. */
export function parseMessage(line: Uint8Array): WireMessage | string {
  let message: unknown;
  try {
    message = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
  } catch {
    return 'a line that is not JSON';
  }
  if (!isObject(message) || typeof message.t !== 'string' || !Object.hasOwn(SCHEMAS, message.t))
    return 'a line that is not a message between workers';
  const { t, ...fields } = message as Fields & { readonly t: Kind };
  if (!hasFields(fields, SCHEMAS[t])) return `a message "${t}" whose fields are not as they should be`;
  return message as unknown as WireMessage;
}
