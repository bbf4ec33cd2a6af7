import { basename } from 'node:path';
import { GraftError } from '@graft/core';

/** What an oracle knows better. */
export class Wrong extends Error {}

/** Words of JavaScript's own errors, which say nothing about a file. */
const RAW =
  /Cannot (read|set|destructure|convert|mix|access|create|assign|add|delete|redefine)|is not (a function|iterable|defined|a constructor|extensible|a valid (array|code))|undefined is not|Maximum call stack|Invalid (array|string|typed array|count|code point|time value|array buffer)( length| value|:|$)|out of bounds|[Oo]ut of range\b.*(Received|It must)|must be of type|circular structure|Reduce of empty|\[object |ERR_[A-Z_]+|Assertion|Array buffer allocation|heap|\bundefined\b|: NaN\b/;

/** Characters of the longest message. */
const LONGEST = 4100;

/**
 * What is wrong with an error about a case; undefined where it is one clear sentence that names a file. `namesNone`: sentences of
 * the target that are about all of its files; `ownWords`: words of its language that JavaScript has as well.
 */
export function problemOf(error, folder, files, { namesNone, ownWords }) {
  if (error instanceof Wrong) return { kind: 'wrong', message: error.message };
  if (!(error instanceof GraftError)) {
    const { name, message } = error ?? {};
    return { kind: 'not a GraftError', message: `${name}: ${String(message).slice(0, 500)}`, stack: error?.stack };
  }
  const { message } = error;
  const shown = message.slice(0, 600);
  if (RAW.test(message.replaceAll(folder, '').replace(ownWords ?? '', '')))
    return { kind: 'raw error in disguise', message: shown, stack: error.stack };
  if (namesNone?.test(message)) return undefined;
  if (!message.includes(folder) && !Object.keys(files).some((name) => message.includes(basename(name))))
    return { kind: 'names no file', message: shown, stack: error.stack };
  if (message.length > LONGEST) return { kind: 'too long', message: `${message.length} characters: ${shown}` };
  return undefined;
}

/** The same for two inputs that show one mistake: numbers, quoted texts and paths aside. */
export function signatureOf({ kind, message, stack }) {
  const place = /\n\s+at [^\n]*?([\w.-]+\.[cm]?js:\d+)/.exec(stack ?? '')?.[1] ?? '';
  const words = message
    .replace(/(["'`“]).*?\1/gs, '…')
    .replace(/\/\S+/g, '…')
    .replace(/-?\d[\d.e+]*/g, '0');
  return `${kind} | ${words.slice(0, 160)} | ${place}`;
}
