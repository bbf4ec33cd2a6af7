/** Answers in LaTeX, compared as strings by the MATH benchmark's own rules: two notations of one number may differ. */

/** The last `\boxed{...}` of a text with its content, braces paired; undefined if there is none. */
export function lastBoxed(text: string): string | undefined {
  const start = Math.max(text.lastIndexOf('\\boxed'), text.includes('\\boxed') ? -1 : text.lastIndexOf('\\fbox'));
  const end = start < 0 ? undefined : endOfBraces(text, start);
  return end === undefined ? undefined : text.slice(start, end);
}

/** The place behind the brace that closes the next one; undefined if none does. */
export function endOfBraces(text: string, from: number): number | undefined {
  let open = 0;
  for (let at = from; at < text.length; at++) {
    if (text[at] === '{') open++;
    if (text[at] === '}' && --open === 0) return at + 1;
  }
  return undefined;
}

/** What is inside `\boxed{...}`, or behind `\boxed `. */
export function insideBoxed(boxed: string): string | undefined {
  return /^\\(?:boxed|fbox)\{([\s\S]*)\}$/.exec(boxed)?.[1] ?? /^\\boxed ([\s\S]*)$/.exec(boxed)?.[1];
}

const behindEquals = (text: string): string => text.slice(text.lastIndexOf('=') + 1).trimStart();

/**
 * The answer in a text, as AGIEval reads it: inside `\boxed{}`, else between the first and the last `$` of a line, else
 * behind the last `=`, else the last number. Undefined if there is none.
 */
export function answerOfMath(text: string): string | undefined {
  if (text.includes('\\boxed')) {
    const inside = insideBoxed(lastBoxed(text) ?? '');
    return inside?.includes('=') ? behindEquals(inside) : inside;
  }
  const dollars = [...text.matchAll(/\$([^\n]*)\$/g)].at(-1)?.[1];
  const between = dollars?.includes('=') ? behindEquals(dollars) : dollars;
  if (between) return between;
  if (text.includes('=')) return behindEquals(text).replace(/ +$/, '').replace(/\.+$/, '');
  return [...text.matchAll(/(?:\$)?\d+(?:\.\d+)?(?![\p{L}\p{N}_])/gu)].at(-1)?.[0];
}

/** Whether two answers are the same under `plainMath`; two missing ones are. */
export function equalMath(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const [first, second] = [plainMath(a), plainMath(b)];
  // What the rules cannot read is compared as it is.
  return first === undefined || second === undefined ? a === b : first === second;
}

/**
 * One notation for many: the rules of the MATH benchmark's own script. Undefined where they do not apply, as for a root
 * of nothing.
 *
 *     plainMath('x = \dfrac12 \text{ cm}')   ->   '\frac{1}{2}'
 */
export function plainMath(answer: string): string | undefined {
  let text = answer
    .replaceAll('\n', '')
    .replaceAll('\\!', '')
    .replaceAll('\\\\', '\\')
    .replaceAll('tfrac', 'frac')
    .replaceAll('dfrac', 'frac')
    .replaceAll('\\left', '')
    .replaceAll('\\right', '')
    .replaceAll('^{\\circ}', '')
    .replaceAll('^\\circ', '')
    .replaceAll('\\$', '');
  const units = text.split('\\text{ ');
  if (units.length > 2) return undefined;
  text = units[0].replaceAll('\\%', '').replaceAll(' .', ' 0.').replaceAll('{.', '{0.');
  if (text === '') return text;
  if (text.startsWith('.')) text = `0${text}`;
  const sides = text.split('=');
  // `k = 5` is 5.
  if (sides.length === 2 && sides[0].length <= 2) text = sides[1];
  const rooted = withBracedRoots(text);
  if (rooted === undefined) return undefined;
  const fractions = withBracedFractions(rooted.replaceAll(' ', ''));
  if (fractions === undefined) return undefined;
  return withFraction(fractions === '0.5' ? '\\frac{1}{2}' : fractions);
}

/** `\sqrt3` is `\sqrt{3}`. */
function withBracedRoots(text: string): string | undefined {
  const [first, ...others] = text.split('\\sqrt');
  if (others.includes('')) return undefined;
  return first + others.map((part) => `\\sqrt${part.startsWith('{') ? part : `{${part[0]}}${part.slice(1)}`}`).join('');
}

/** `\frac12` is `\frac{1}{2}`, `\frac1{72}` is `\frac{1}{72}`. */
function withBracedFractions(text: string): string | undefined {
  const [first, ...others] = text.split('\\frac');
  if (others.includes('')) return undefined;
  // As in the script: a fraction without a denominator leaves everything as it is.
  if (others.some((part) => !part.startsWith('{') && part.length < 2)) return text;
  const braced = others.map((part) => {
    if (part.startsWith('{')) return `\\frac${part}`;
    const [over, under] = part;
    return under === '{' ? `\\frac{${over}}${part.slice(1)}` : `\\frac{${over}}{${under}}${part.slice(2)}`;
  });
  return first + braced.join('');
}

/** `3/4` is `\frac{3}{4}`. */
function withFraction(text: string): string {
  const match = /^(-?\d+)\/(-?\d+)$/.exec(text);
  if (!match || match.slice(1).some((digits) => String(BigInt(digits)) !== digits)) return text;
  return `\\frac{${match[1]}}{${match[2]}}`;
}
