/** Text functions of Python, in which the published metrics are written, that JavaScript has in another form. */

/**
 * Characters for which Python's `str.isspace` is true; JavaScript's `\s` lacks the separators and U+0085, and includes
 * U+FEFF.
 */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const SPACES = new RegExp(`[${SPACE}]+`, 'u');
const SPACES_AT_START = new RegExp(`^[${SPACE}]+`, 'u');
const SPACES_AT_END = new RegExp(`[${SPACE}]+$`, 'u');

/** `str.split()`: the words between whitespace. */
export function splitWords(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== '');
}

/** `str.rstrip()`. */
export const withoutTrailingSpace = (text: string): string => text.replace(SPACES_AT_END, '');

/** `str.lstrip()`. */
export const withoutLeadingSpace = (text: string): string => text.replace(SPACES_AT_START, '');

/** What Python's `float` accepts, except for digits of other scripts. */
const NUMBER =
  /^[+-]?(?:(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?|inf(?:inity)?|nan)$/i;

/** `float(text)`; undefined where Python raises an error. */
export function parseFloat64(text: string): number | undefined {
  const plain = withoutLeadingSpace(withoutTrailingSpace(text));
  if (!NUMBER.test(plain)) return undefined;
  const lower = plain.toLowerCase().replaceAll('_', '');
  if (lower.includes('nan')) return NaN;
  return lower.includes('inf') ? (lower.startsWith('-') ? -Infinity : Infinity) : Number(lower);
}

/** `str(number)` of a float: `7.0`, `0.5`, `1e+16`, `1e-05`. */
export function showFloat64(number: number): string {
  if (Number.isNaN(number)) return 'nan';
  if (!Number.isFinite(number)) return number > 0 ? 'inf' : '-inf';
  if (number === 0) return Object.is(number, -0) ? '-0.0' : '0.0';
  const [digits, exponent] = number.toExponential().split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 16) return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  // JavaScript writes no exponent from 1e-6 to 1e21.
  const plain = String(number);
  return plain.includes('.') ? plain : `${plain}.0`;
}
