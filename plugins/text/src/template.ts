import { z } from 'zod';
import { LineProblem } from './json-lines';

/** A key of a line's object, or a template with keys in braces: `Translate to German: {english}`. */
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

type LineObject = Readonly<Record<string, unknown>>;

/**
 * Makes a text out of a line's object: of a key what it holds, of a template its text with the keys filled in, texts, numbers
 * and booleans. `translation.en` looks into `translation`, unless there is a key of that very name. The reader throws
 * LineProblem.
 *
 *     'Translate to German: {english}' of {"english": "a dog", "german": "ein Hund"}   ->   Translate to German: a dog
 */
export function textReader(option: string): (object: LineObject) => string {
  if (!/[{}]/.test(option)) return (object) => textAt(object, option);
  const template = parseTemplate(option);
  return (object) =>
    template.map((part) => (typeof part === 'string' ? part : textAt(object, part.key, option))).join('');
}

/** `template`: the one that names the key; without it only texts are taken. */
function textAt(object: LineObject, key: string, template?: string): string {
  const value = valueAt(object, key);
  if (typeof value === 'string') return value;
  if (template !== undefined && (typeof value === 'number' || typeof value === 'boolean')) return String(value);
  const got =
    value === undefined
      ? `has only ${Object.keys(object).join(', ') || 'nothing'}`
      : `holds ${value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value} there`;
  const asked = template === undefined ? '' : ` for the template "${template}"`;
  throw new LineProblem(`should have a text under "${key}"${asked}, but ${got}`);
}

export function valueAt(object: LineObject, key: string): unknown {
  if (Object.hasOwn(object, key)) return object[key];
  let value: unknown = object;
  for (const step of key.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as LineObject)[step];
  }
  return value;
}
