import { didYouMean } from '@graft/core';
import { z } from 'zod';
import { RowProblem, type Row } from './rows';

/** A key of a row, or a template with keys in braces: `Translate to German: {english}`. */
export type Template = readonly (string | { readonly key: string })[];

/** Throws Error where braces do not close, or hold no key. `{{` and `}}` stand for braces. */
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

/** The keys that a key or a template asks a row for. */
export function keysOf(option: string): string[] {
  if (!/[{}]/.test(option)) return [option];
  return parseTemplate(option).flatMap((part) => (typeof part === 'string' ? [] : [part.key]));
}

/**
 * Makes a text out of a row: of a key what it holds, of a template its text with the keys filled in, texts, numbers
 * and booleans. `translation.en` looks into `translation`, unless there is a key of that very name. The reader throws
 * RowProblem.
 *
 *     'Translate to German: {english}' of {"english": "a dog", "german": "ein Hund"}   ->   Translate to German: a dog
 */
export function textReader(option: string): (object: Row) => string {
  if (!/[{}]/.test(option)) return (object) => textAt(object, option);
  const template = parseTemplate(option);
  return (object) =>
    template.map((part) => (typeof part === 'string' ? part : textAt(object, part.key, option))).join('');
}

/** `template`: the one that names the key; without it only texts are taken. */
function textAt(object: Row, key: string, template?: string): string {
  const value = valueAt(object, key);
  if (typeof value === 'string') return value;
  if (template !== undefined && ['number', 'bigint', 'boolean'].includes(typeof value)) return String(value);
  const keys = Object.keys(object);
  const got =
    value === undefined
      ? `has only ${keys.join(', ') || 'nothing'}${didYouMean(key, keys).replace(/\?$/, '')}`
      : `holds ${value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value} there`;
  const asked = template === undefined ? '' : ` for the template "${template}"`;
  throw new RowProblem(`should have a text under "${key}"${asked}, but ${got}`);
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
