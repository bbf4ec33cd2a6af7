/**
 * Whether two answers say the same in other notation, as lm-eval's `math_verify` decides it: with values in place of
 * algebra. Expressions are equal if their values are, to 55 digits, at several points.
 */
import { Decimal } from 'decimal.js';
import { evaluate, isSame, isZero, quotient, variablesOf, type Complex } from './evaluate';
import type { Expression } from './expression';
import { CHANGES_VALUE, readAnswer, wordsOf, type MathAnswer, type Relation } from './read-answer';

/** Of both signs, with primes, so that no sum of them is another one by accident. */
const SAMPLES = [
  ['1.9283746', '-2.7182811', '0.5772156', '-1.6180339', '3.3166247', '-0.8346268'],
  ['2.2360679', '0.3010299', '-1.2020569', '0.9159655', '-4.6692016', '1.3035772'],
  ['-0.7390851', '1.4513692', '2.5029078', '-3.3598856', '0.6434105', '5.1961524'],
  ['1.0986122', '3.6055512', '4.1231056', '2.6854520', '1.7632228', '0.2614972'],
];
const MAX_VARIABLES = SAMPLES[0].length;
const MAX_ITEMS = 50;
const MAX_CHARACTERS = 2000;

type Of<Kind extends MathAnswer['kind']> = MathAnswer & { readonly kind: Kind };

/**
 * Whether `answer` is the `right` one: fractions and decimals, terms in any order, sets, intervals, matrices, equations,
 * units that one side leaves out, and words. What is uncertain counts as different. Takes bounded time.
 *
 *     equivalentMath('\frac{1}{2}', 'x = 0.5')   ->   true
 */
export function equivalentMath(right: string, answer: string): boolean {
  // A longer text is not an answer.
  if (Math.max(right.length, answer.length) > MAX_CHARACTERS) return false;
  const words = wordsOf(right);
  if (words !== undefined && words === wordsOf(answer)) return true;
  const answers = readAnswer(answer);
  return readAnswer(right).some((one) => answers.some((other) => same(one, other)));
}

function same(right: MathAnswer, answer: MathAnswer): boolean {
  const [a, b] = withoutNames(right, answer);
  if ('words' in a && 'words' in b && a.words !== undefined && a.words === b.words) return true;
  if (a.kind === 'relation' && b.kind === 'relation') return sameRelations(a, b);
  if (a.kind === 'relation' || b.kind === 'relation') {
    const [relation, other] = a.kind === 'relation' ? [a, b] : [b as Of<'relation'>, a];
    const interval = other.kind === 'list' && other.open !== '' ? intervalOf(relation) : undefined;
    return interval !== undefined && same(interval, other);
  }
  if (a.kind === 'list' || b.kind === 'list') return sameLists(asList(a), asList(b));
  if (a.kind === 'union' && b.kind === 'union') return pairUp(a.parts, b.parts);
  if (a.kind === 'matrix' && b.kind === 'matrix') {
    return (
      a.rows.length === b.rows.length &&
      a.rows.every((row, i) => row.length === b.rows[i].length && row.every((one, k) => same(one, b.rows[i][k])))
    );
  }
  if (a.kind === 'text' && b.kind === 'text') return a.text === b.text;
  return a.kind === 'value' && b.kind === 'value' && sameValues(a, b);
}

/** `x = 5` and `x \in S` without the name, where the other side has none. */
function withoutNames(right: MathAnswer, answer: MathAnswer): readonly [MathAnswer, MathAnswer] {
  const [a, b] = [right, answer].map((one) => (one.kind === 'relation' && isElement(one) ? one.sides[1] : one));
  if (isEquation(b) && !isEquation(a)) return [a, b.sides.at(-1)!];
  if (isEquation(a) && isAssignment(a) && !isEquation(b)) return [a.sides.at(-1)!, b];
  return [a, b];
}

const isElement = ({ operators }: Of<'relation'>): boolean => operators.length === 1 && operators[0] === '∈';
const isEquation = (one: MathAnswer): one is Of<'relation'> =>
  one.kind === 'relation' && one.operators.every((operator) => operator === '=');

/** Whether the first side is a name: `x`, `f(x)`, `(x, y)`. */
const isAssignment = ({ sides: [first] }: Of<'relation'>): boolean => nameOf(first) !== undefined;

function nameOf(side: MathAnswer): string | undefined {
  if (side.kind === 'list') {
    const names = side.items.map(nameOf);
    return names.includes(undefined) ? undefined : names.join();
  }
  if (side.kind !== 'value') return undefined;
  const { expression } = side;
  if (expression.kind === 'symbol') return expression.name;
  if (expression.kind !== 'call' || expression.name !== 'multiply') return undefined;
  const [f, x] = expression.args;
  return f.kind === 'symbol' && x.kind === 'symbol' ? `${f.name}(${x.name})` : undefined;
}

function sameRelations(a: Of<'relation'>, b: Of<'relation'>): boolean {
  if (isEquation(a) && isEquation(b)) {
    const [name, other] = [nameOf(a.sides[0]), nameOf(b.sides[0])];
    if (name !== undefined && name === other) return same(a.sides.at(-1)!, b.sides.at(-1)!);
    return a.sides.length === 2 && b.sides.length === 2 && isMultiple(difference(a), difference(b), false);
  }
  const [first, second] = [upwards(a), upwards(b)];
  if (first.operators.join() !== second.operators.join()) return false;
  if (first.operators.length > 1) return first.sides.every((side, i) => same(side, second.sides[i]));
  return isMultiple(difference(first), difference(second), first.operators[0] !== '≠');
}

/** With the smaller side first. */
function upwards(relation: Of<'relation'>): Of<'relation'> {
  if (!relation.operators.every((operator) => operator === '>' || operator === '≥')) return relation;
  const operators = relation.operators.map((operator): Relation => (operator === '>' ? '<' : '≤'));
  return { kind: 'relation', operators: operators.reverse(), sides: [...relation.sides].reverse() };
}

function difference({ sides: [left, right] }: Of<'relation'>): Expression | undefined {
  if (left.kind !== 'value' || right.kind !== 'value') return undefined;
  const negated: Expression = { kind: 'call', name: 'negate', args: [right.expression] };
  return { kind: 'call', name: 'add', args: [left.expression, negated] };
}

/** Whether one is the other times a number, a positive one if asked: both are zero in the same places. */
function isMultiple(a: Expression | undefined, b: Expression | undefined, positive: boolean): boolean {
  if (!a || !b) return false;
  const factors = valuesOf(a, b).map(([x, y]) => (isZero(x) || isZero(y) ? undefined : quotient(x, y)));
  if (factors.length < 2) return JSON.stringify(a) === JSON.stringify(b);
  const [first] = factors;
  if (!first || (positive && !(first.im.isZero() && first.re.isPositive()))) return false;
  return factors.every((factor) => factor !== undefined && isSame(first, factor));
}

/** `1 < x \le 2` as (1, 2], `x > 3` as (3, infinity). */
function intervalOf(relation: Of<'relation'>): MathAnswer | undefined {
  const { operators, sides } = upwards(relation);
  if (!operators.every((operator) => operator === '<' || operator === '≤')) return undefined;
  const at = sides.findIndex((side) => side.kind === 'value' && side.expression.kind === 'symbol');
  if (at < 0 || sides.length > 3 || (sides.length === 3 && at !== 1)) return undefined;
  const infinity: Expression = { kind: 'symbol', name: 'infty' };
  const end = (expression: Expression): MathAnswer => ({ kind: 'value', expression, unit: '' });
  const low = at > 0 ? sides[at - 1] : end({ kind: 'call', name: 'negate', args: [infinity] });
  const high = sides[at + 1] ?? end(infinity);
  const open = at > 0 && operators[at - 1] === '≤' ? '[' : '(';
  return { kind: 'list', open, close: operators[at] === '≤' ? ']' : ')', items: [low, high] };
}

function asList(one: MathAnswer): Of<'list'> {
  return one.kind === 'list' ? one : { kind: 'list', open: '', close: '', items: [one] };
}

function sameLists(a: Of<'list'>, b: Of<'list'>): boolean {
  const [open, close] = a.open === '' ? [b.open, b.close] : [a.open, a.close];
  const areAlike = a.open === b.open && a.close === b.close;
  // An answer may leave the brackets of a pair or of a set away; those of an interval say what belongs to it.
  if (!areAlike && !(a.open === '' || b.open === '')) return false;
  if (!areAlike && open !== '{' && open + close !== '()') return false;
  if (open === '(' || open === '[')
    return a.items.length === b.items.length && a.items.every((one, i) => same(one, b.items[i]));
  if (!areAlike || open === '') return pairUp(a.items, b.items);
  const areFew = a.items.length <= MAX_ITEMS && b.items.length <= MAX_ITEMS;
  return areFew && includes(a.items, b.items) && includes(b.items, a.items);
}

const includes = (all: readonly MathAnswer[], some: readonly MathAnswer[]): boolean =>
  some.every((one) => all.some((other) => same(other, one)));

/** Whether each has a partner of its own in the other list. */
function pairUp(all: readonly MathAnswer[], others: readonly MathAnswer[]): boolean {
  if (all.length !== others.length || all.length > MAX_ITEMS) return false;
  const left = [...others];
  return all.every((one) => {
    const at = left.findIndex((other) => same(one, other));
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
}

function sameValues(a: Of<'value'>, b: Of<'value'>): boolean {
  // A unit may be left out, but not be another one; `million` may not be left out.
  if (a.unit !== b.unit && ((a.unit !== '' && b.unit !== '') || CHANGES_VALUE.test(a.unit + b.unit))) return false;
  if (equalExpressions(a.expression, b.expression)) return true;
  if ((a.unit === 'percent') === (b.unit === 'percent')) return false;
  // 50% is also 0.5.
  const share = (one: Of<'value'>): Expression =>
    one.unit === 'percent' ? { kind: 'call', name: 'percent', args: [one.expression] } : one.expression;
  return equalExpressions(share(a), share(b));
}

function equalExpressions(a: Expression, b: Expression): boolean {
  if (JSON.stringify(a) === JSON.stringify(b)) return true;
  const values = valuesOf(a, b);
  const needed = variablesOf(a).size + variablesOf(b).size === 0 ? 1 : 2;
  if (values.length < needed) return false;
  return values.every(([x, y]) => isSame(x, y)) || (needed === 1 && isRounded(a, b, values[0]));
}

/** Values of both at the points where both have one. */
function valuesOf(a: Expression, b: Expression): (readonly [Complex, Complex])[] {
  const names = [...new Set([...variablesOf(a), ...variablesOf(b)])].sort();
  if (names.length > MAX_VARIABLES) return [];
  const [xs, ys] = [valuesAt(a, names), valuesAt(b, names)];
  return xs.flatMap((x, i) => {
    const y = ys[i];
    return x && y ? [[x, y] as const] : [];
  });
}

/** Each is compared with many in sets. */
const known = new WeakMap<Expression, Map<string, readonly (Complex | undefined)[]>>();

function valuesAt(expression: Expression, names: readonly string[]): readonly (Complex | undefined)[] {
  const own = known.get(expression) ?? new Map<string, readonly (Complex | undefined)[]>();
  known.set(expression, own);
  const key = names.join();
  const values =
    own.get(key) ??
    SAMPLES.slice(0, names.length === 0 ? 1 : undefined).map((sample) =>
      evaluate(expression, (name) => sample[names.indexOf(name)]),
    );
  own.set(key, values);
  return values;
}

/** Digits behind the point from which on a decimal number may stand for one that has no end: 0.333333. */
const ROUNDED_PLACES = 6;
const ROUNDED_DIGITS = 4;

function isRounded(a: Expression, b: Expression, [x, y]: readonly [Complex, Complex]): boolean {
  if (!x.im.isZero() || !y.im.isZero()) return false;
  const difference = x.re.minus(y.re).abs();
  return [a, b].some((one) => {
    const literal = one.kind === 'call' && one.name === 'negate' ? one.args[0] : one;
    if (literal.kind !== 'number' || literal.repeating !== undefined) return false;
    const places = literal.digits.split('.')[1]?.length ?? 0;
    const digits = literal.digits.replace('.', '').replace(/^0+/, '').length;
    if (places < ROUNDED_PLACES || digits < ROUNDED_DIGITS) return false;
    return difference.lte(new Decimal(10).pow(-places).div(2));
  });
}
