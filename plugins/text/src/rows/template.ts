import { didYouMean } from '@graft/core';
import { ExactNumber } from '@graft/core/internal';
import { z } from 'zod';
import { RowProblem, type Row } from './rows';

/** A key of a row, or a template with keys in braces: `Translate to German: {english}`. */
export type Template = readonly (string | { readonly key: string })[];

/** Throws Error if braces do not close, or contain no key. `{{` and `}}` stand for braces. */
export function parseTemplate(text: string): Template {
  const parts: (string | { key: string })[] = [];
  let literal = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if ((char === '{' || char === '}') && text[at + 1] === char) {
      literal += char;
      at++;
    } else if (char === '}')
      throw new Error(`"}" at character ${at + 1} closes nothing; a brace itself is written "}}"`);
    else if (char === '{') {
      const end = text.indexOf('}', at);
      const key = text.slice(at + 1, end).trim();
      if (end < 0 || key.includes('{'))
        throw new Error(`"{" at character ${at + 1} is not closed; a brace itself is written "{{"`);
      if (key === '') throw new Error(`"{}" at character ${at + 1} names no key`);
      parts.push(literal, { key });
      literal = '';
      at = end;
    } else literal += char;
  }
  return [...parts, literal].filter((part) => part !== '');
}

/** A key, or a template. */
export const templateOption = z
  .string()
  .min(1)
  .superRefine((text, context) => {
    try {
      parseTemplate(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
    }
  });

/** The keys of a row that an option, a key or a template, uses. */
export function keysOf(option: string): string[] {
  if (!/[{}]/.test(option)) return [option];
  return parseTemplate(option).flatMap((part) => (typeof part === 'string' ? [] : [part.key]));
}

/**
 * Makes a text from a row: for a key its text, for a template the template with the keys filled in: texts as they are,
 * numbers with the digits that the file has, booleans as `true` and `false`. `translation.en` looks into `translation`,
 * unless there is a key of that very name, and `answers.0` is the first of a list. The reader throws RowProblem.
 *
 *     'Translate to German: {english}' of {"english": "a dog", "german": "ein Hund"}   ->   Translate to German: a dog
 */
export function textReader(option: string): (object: Row) => string {
  if (!/[{}]/.test(option)) return (object) => textAt(object, option);
  const template = parseTemplate(option);
  return (object) =>
    template.map((part) => (typeof part === 'string' ? part : textAt(object, part.key, option))).join('');
}

/** `template`: the one that names the key; without it only texts are accepted. */
function textAt(object: Row, key: string, template?: string): string {
  const value = valueAt(object, key);
  if (typeof value === 'string') return value;
  if (template !== undefined && isWritten(value)) return String(value);
  const got = value === undefined ? missing(object, key) : `holds ${kindOf(value)} there`;
  const asked = template === undefined ? '' : ` for the template "${template}"`;
  throw new RowProblem(`should have a text under "${key}"${asked}, but ${got}`);
}

/** Describes what the row has instead of a key, or what a part of the key contains. */
export function missing(object: Row, key: string): string {
  const outer = key.slice(0, Math.max(0, key.lastIndexOf('.')));
  const around = outer === '' ? object : valueAt(object, outer);
  if (outer !== '' && around === undefined) return missing(object, outer);
  if (outer !== '' && (typeof around !== 'object' || around === null))
    return `"${outer}" holds ${around === null ? 'null' : kindOf(around)}`;
  const keys = Object.keys(around as object);
  const within = outer === '' ? 'has' : `"${outer}" has`;
  const last = outer === '' ? key : key.slice(outer.length + 1);
  return `${within} only ${keys.join(', ') || 'nothing'}${didYouMean(last, keys).replace(/\?$/, '')}`;
}

/** Whether a template can write a value; numbers such as NaN have no digits. */
function isWritten(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value === 'bigint' || typeof value === 'boolean' || value instanceof ExactNumber;
}

/** The kind of a value, for a sentence. */
export function kindOf(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Uint8Array) return `${value.length} bytes that are not a text`;
  if (value instanceof ExactNumber || typeof value === 'bigint') return 'a number';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

export function valueAt(object: Row, key: string): unknown {
  if (Object.hasOwn(object, key)) return object[key];
  let value: unknown = object;
  for (const step of key.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Row)[step];
  }
  return value;
}
