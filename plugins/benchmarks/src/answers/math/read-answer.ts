/** The notation of an answer: from LaTeX, or plain text, to numbers, lists, intervals, matrices and relations. */
import { parseExpression, type Expression } from './expression';

export type Relation = '=' | '<' | '≤' | '>' | '≥' | '≠' | '∈';
export type Bracket = '' | '(' | ')' | '[' | ']' | '{' | '}';

export type MathAnswer =
  | {
      readonly kind: 'value';
      readonly expression: Expression;
      /** Behind it: cm, %, degrees, the base of its digits. Empty if there is none. */
      readonly unit: string;
      /** Where its letters may be a word too. */
      readonly words?: string;
    }
  /** Separated by commas: a pair, a set, an interval, or several answers without brackets. */
  | { readonly kind: 'list'; readonly open: Bracket; readonly close: Bracket; readonly items: readonly MathAnswer[] }
  | { readonly kind: 'union'; readonly parts: readonly MathAnswer[] }
  | { readonly kind: 'matrix'; readonly rows: readonly (readonly MathAnswer[])[] }
  /** One more side than operators: 1 < x < 2. */
  | { readonly kind: 'relation'; readonly operators: readonly Relation[]; readonly sides: readonly MathAnswer[] }
  | { readonly kind: 'text'; readonly text: string; readonly words?: string };

const MAX_NESTED = 20;

/** Stands for the two backslashes between the rows of a matrix, of which a space behind them would make another command. */
const ROW_END = '¶';

const SYMBOLS: readonly (readonly [RegExp, string])[] = [
  [/\\\\/g, ROW_END],
  [/[−–]/g, '-'],
  [/[×∗]/g, '\\times '],
  [/[·⋅]/g, '\\cdot '],
  [/÷/g, '\\div '],
  [/π/g, '\\pi '],
  [/√/g, '\\sqrt '],
  [/∞|\\infinity(?![a-zA-Z])/g, '\\infty '],
  [/°|\^\{?\\degree\}?|\\degree(?![a-zA-Z])|\^\{?o\}?(?![a-zA-Z])/g, '^\\circ '],
  [/²/g, '^2'],
  [/³/g, '^3'],
  [/\\(?:dfrac|tfrac|cfrac)(?![a-zA-Z])/g, '\\frac'],
  [/\\[dt]binom(?![a-zA-Z])/g, '\\binom'],
  [/\\(?:left|right|[bB]ig+[lr]?)(?![a-zA-Z])\.?/g, ''],
  [/\\(?:lvert|rvert|vert|mid)(?![a-zA-Z])/g, '|'],
  [/\\lbrace(?![a-zA-Z])/g, '\\{'],
  [/\\rbrace(?![a-zA-Z])/g, '\\}'],
  [/\\(?:leqslant|leq|le)(?![a-zA-Z])|<=/g, '≤'],
  [/\\(?:geqslant|geq|ge)(?![a-zA-Z])|>=/g, '≥'],
  [/\\(?:neq|ne)(?![a-zA-Z])|!=/g, '≠'],
  [/\\lt(?![a-zA-Z])/g, '<'],
  [/\\gt(?![a-zA-Z])/g, '>'],
  [/\\in(?![a-zA-Z])/g, '∈'],
  [/\\cup(?![a-zA-Z])/g, '∪'],
  [/\\approx(?![a-zA-Z])|≈/g, '='],
  [/\\pm(?![a-zA-Z])/g, '±'],
  [/\\mp(?![a-zA-Z])/g, '∓'],
  [/\\(?:ldots|cdots|dots)(?![a-zA-Z])/g, '…'],
  // 1{,}000 is a thousand, 0{,}5 a half, and 0{,}125 an eighth.
  [/(?<![\d.])0(?:\{,\}|,\\!)(?=\d)/g, '0.'],
  [/\{,\}(?=\d{3}(?!\d))|,\\!(?=\s*\d{3}(?!\d))/g, ''],
  [/(?<=\d)\{,\}(?=\d)/g, '.'],
  [/\\!/g, ''],
  [/\\[,;: ]|~|\\q?quad(?![a-zA-Z])|\\(?:displaystyle|textstyle|limits|nolimits|mathstrut)(?![a-zA-Z])/g, ' '],
  [/\\(?:textdollar|\$)|\$|[€£¥]/g, ''],
  [/\\(?:text|mathrm|textrm|mbox|textnormal)\{\s*(?:,\s*)?(?:and|or)\s*\}/g, ','],
  [/\\(?:mathbf|boldsymbol|bm|mathit)\{([a-zA-Z])\}/g, '$1'],
  [/\\mathbb\{?R\}?/g, '(-\\infty,\\infty)'],
  [/\\operatorname\*?\{([a-z]+)\}/g, '\\$1 '],
  // What a text without LaTeX writes.
  // 6 1/2 is a mixed number.
  [/(?<![\w.,^\\}]|[\da-z]\s)(\d+)\s+(\d+)\/(\d+)(?![\d.])/g, '$1\\frac{$2}{$3}'],
  [/(?<![\\a-zA-Z])(sqrt|pi|sin|cos|tan|ln|log|exp)(?![a-zA-Z])/g, '\\$1 '],
];

const TEXT = String.raw`\\(?:text|mathrm|textrm|textbf|textit|textnormal|mbox|rm)\s*\{([^{}]*)\}`;

/** What a text says in its words alone, without case and commands; undefined if it is not words. */
export function wordsOf(answer: string): string | undefined {
  const words = answer
    .replace(new RegExp(TEXT, 'g'), '$1')
    .replace(/\\[ ,;:!]|[$~]/g, ' ')
    .replace(/^[\s.]+|[\s.]+$/g, '')
    .replace(/\s+/g, ' ');
  const letter = /^\(?([A-Z])\)?$/.exec(words);
  if (letter) return letter[1];
  return /^\p{L}{2}|^\p{L}+ \p{L}/u.test(words) && /^[\p{L}\p{M}\d ,'.-]+$/u.test(words)
    ? words.toLowerCase()
    : undefined;
}

/** The readings of a text: one, or two where 1,234 or 0,125 may be a number or a list; none of an empty one. */
export function readAnswer(answer: string): readonly MathAnswer[] {
  let text = answer;
  for (const [pattern, plain] of SYMBOLS) text = text.replace(pattern, plain);
  text = withoutBox(text.trim())
    .replace(/[\s.,;:]+$/, '')
    .trim();
  if (text === '') return [];
  const joined = text
    .replace(/(?<![\d.,])0,(?=\d{3}(?![\d,]))/g, '0.')
    .replace(/(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])/g, (number) => number.replaceAll(',', ''));
  // A pair (1,234) has no thousands.
  const hasBrackets = /[([{]/.test(text.replace(new RegExp(TEXT, 'g'), ''));
  const texts = joined === text || hasBrackets ? [text] : [joined, text];
  return texts.map((one) => readParts(one, 0));
}

function withoutBox(text: string): string {
  const inside = /^\\(?:boxed|fbox)\s*\{([\s\S]*)\}$/.exec(text)?.[1];
  return inside === undefined ? text : withoutBox(inside.trim());
}

function readParts(text: string, depth: number): MathAnswer {
  const asText: MathAnswer = { kind: 'text', text: text.replace(/\s+/g, ''), words: wordsOf(text) };
  if (depth > MAX_NESTED || text === '') return asText;
  const read = (part: string): MathAnswer => readParts(part.trim(), depth + 1);
  const items = splitOutside(text, /^(?:[,;]|and|or)$/)?.texts;
  if (!items) return asText;
  if (items.length > 1) return flattened(items.filter((item) => item.trim() !== '').map(read));
  const parts = splitOutside(text, /^∪$/)!.texts;
  if (parts.length > 1) return { kind: 'union', parts: parts.map(read) };
  const { texts: sides, separators } = splitOutside(text, /^[=<>≤≥≠∈]$/)!;
  if (sides.length > 1) return { kind: 'relation', operators: separators as Relation[], sides: sides.map(read) };
  const isSet = text.startsWith('\\{');
  if (/[±∓]/.test(text) && !isSet) {
    const plus = text.replaceAll('±', '+').replaceAll('∓', '-');
    const minus = text.replaceAll('±', '-').replaceAll('∓', '+');
    return { kind: 'list', open: '', close: '', items: [read(plus), read(minus)] };
  }
  return readMatrix(text, read) ?? readBrackets(text, read) ?? readValue(text) ?? asText;
}

/** `1 ± 2, 5` is three answers. */
function flattened(items: readonly MathAnswer[]): MathAnswer {
  const flat = items.flatMap((item) => (item.kind === 'list' && item.open === '' ? item.items : [item]));
  return { kind: 'list', open: '', close: '', items: flat };
}

/** The parts between separators outside of all brackets; undefined where brackets do not pair. */
function splitOutside(
  text: string,
  separator: RegExp,
): { readonly texts: string[]; readonly separators: string[] } | undefined {
  const texts: string[] = [];
  const separators: string[] = [];
  let [from, open] = [0, 0];
  // A command, a word or one character at a time.
  for (const { 0: token, index } of text.matchAll(/\\[a-zA-Z]+|\\?[^a-zA-Z]|[a-zA-Z]+/gsu)) {
    const bracket = token.at(-1)!;
    if (token === '\\begin' || '([{'.includes(bracket)) open++;
    if (token === '\\end' || ')]}'.includes(bracket)) open--;
    if (open < 0) return undefined;
    if (open > 0 || !separator.test(token)) continue;
    texts.push(text.slice(from, index));
    separators.push(token);
    from = index + token.length;
  }
  return open === 0 ? { texts: [...texts, text.slice(from)], separators } : undefined;
}

function readMatrix(text: string, read: (part: string) => MathAnswer): MathAnswer | undefined {
  const body = /^\\begin\{([pbvBV]?matrix|array)\}(?:\{[lcr|]*\})?([\s\S]*)\\end\{\1\}$/.exec(text)?.[2];
  if (body === undefined || body.includes('\\begin')) return undefined;
  const rows = body.split(ROW_END).filter((row) => row.trim() !== '');
  return { kind: 'matrix', rows: rows.map((row) => row.split('&').map(read)) };
}

/** A list in brackets that are one pair. */
function readBrackets(text: string, read: (part: string) => MathAnswer): MathAnswer | undefined {
  const match = /^\\?([([{])([\s\S]*?)\\?([)\]}])$/.exec(text);
  if (!match) return undefined;
  const [, open, inside, close] = match as unknown as [string, Bracket, string, Bracket];
  const isSet = open === '{';
  if (isSet !== (close === '}')) return undefined;
  const parts = splitOutside(inside, /^[,;]$/);
  if (!parts) return undefined;
  if (parts.texts.length === 1 && !(isSet && text.startsWith('\\{'))) return isSet ? undefined : read(inside);
  const items = parts.texts.map(read);
  // {1 ± 2} has two elements.
  const flat = items.flatMap((item) => (isSet && item.kind === 'list' && item.open === '' ? item.items : [item]));
  return { kind: 'list', open, close, items: flat };
}

/** A number or a term, with what stands behind it. */
function readValue(text: string): MathAnswer | undefined {
  const [expression, unit] = withoutUnit(text);
  const parsed = parseExpression(expression);
  if (!parsed) return undefined;
  // A unit of its own, which the other notation may leave out.
  if (unit === '' && parsed.kind === 'call' && (parsed.name === 'degrees' || parsed.name === 'percent'))
    return { kind: 'value', expression: parsed.args[0], unit: parsed.name };
  return { kind: 'value', expression: parsed, unit, words: wordsOf(text) };
}

function withoutUnit(text: string): readonly [expression: string, unit: string] {
  const base = /^(\d+)_\{?(\d+)\}?$/.exec(text);
  if (base) return [base[1], `base ${base[2]}`];
  const named = new RegExp(`^(.*\\S)\\s*${TEXT}\\s*(?:\\^\\{?(\\d)\\}?)?$`, 's').exec(text);
  if (named) return [named[1], unitOf(named[2], named[3])];
  const plain = new RegExp(`^([-+]?[\\d./]+)\\s+(${PLAIN_UNIT})(?:\\^\\{?(\\d)\\}?)?$`, 'i').exec(text);
  if (plain) return [plain[1], unitOf(plain[2], plain[3])];
  return [text, ''];
}

/** Units of two letters; other pairs of letters are products. */
export const SHORT_UNITS = 'cm|mm|km|kg|mg|ml|ft|in|yd|mi|sq|lb|oz|hr|pm|am';
const PLAIN_UNIT = String.raw`(?:(?:${SHORT_UNITS})\b|(?![abcxyz]+\b)[a-z]{3})[a-z .]*`;
/** Words that change the value of the number in front of them: it does not equal the number alone. */
export const CHANGES_VALUE =
  /^(?:(?:(?:hundred|thousand|(?:m|b|tr)illion)(?:th)?|dozen|half|halve|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|squared|cubed|factorial|of|to)\b)|\b(?:plus|minus|times|over|mod|and|or|than)\b/;

const UNIT_NAMES: Readonly<Record<string, string>> = { percent: 'percent', degree: 'degrees', deg: 'degrees' };

/** Without plural, case and dots: `Feet` and `feet` are one unit, `ft` is another word. */
function unitOf(words: string, power: string | undefined): string {
  const name = words.trim().toLowerCase().replace(/\./g, '').replace(/s$/, '');
  return (UNIT_NAMES[name] ?? name) + (power === undefined ? '' : `^${power}`);
}
