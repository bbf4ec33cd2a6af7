/**
 * Values of expressions, complex numbers of 100 digits. Every step takes bounded time and memory, and what is uncertain has
 * no value: a number that is too large, or a sum in which one term disappears beside another.
 */
import { Decimal } from 'decimal.js';
import type { Call, Expression, FunctionName } from './expression';

const Real = Decimal.clone({ precision: 100, maxE: 1e12, minE: -1e12 });
type Real = Decimal;
export interface Complex {
  readonly re: Real;
  readonly im: Real;
}

/** Terms that differ by more than this factor: the sum would not show the smaller one. */
const LARGEST_RATIO = new Real('1e45');
/** What is left of two terms and is smaller than this share of them is an error of rounding. */
const ROUNDING = new Real('1e-70');
/** Equal numbers differ by no more than this share. */
const TOLERANCE = new Real('1e-55');
/** An angle that is larger has no digits behind its point that mean something. */
const LARGEST_ANGLE = new Real('1e20');
const MAX_FACTORIAL = 1000;
const MAX_POWER = 1e6;
/** Integers that have more may differ by less than the tolerance. */
const MAX_DIGITS = 54;
/** Roots, logarithms and angles, which take some milliseconds each. */
const MAX_SLOW_STEPS = 100;

const ZERO = new Real(0);
const ONE = new Real(1);
const PI = Real.acos(-1);
const E = Real.exp(1);

class Undecided extends Error {}

/** Values of the variables by name. */
export type Point = (name: string) => string;

/** The value at a point; undefined if it has none, or none that is certain. */
export function evaluate(expression: Expression, point: Point): Complex | undefined {
  try {
    return new Evaluation(point).value(expression);
  } catch (error) {
    // decimal.js throws its own errors, such as for angles beyond its digits of pi.
    if (error instanceof Undecided || /\[DecimalError\]/.test((error as Error).message)) return undefined;
    throw error;
  }
}

/** Names of the variables of an expression. */
export function variablesOf(expression: Expression, found = new Set<string>()): ReadonlySet<string> {
  if (expression.kind === 'symbol') found.add(expression.name);
  if (expression.kind === 'call') for (const one of expression.args) variablesOf(one, found);
  return found;
}

/** Whether two values are the same, up to rounding. */
export function isSame(a: Complex, b: Complex): boolean {
  const largest = Real.max(a.re.abs(), a.im.abs(), b.re.abs(), b.im.abs());
  return Real.max(a.re.minus(b.re).abs(), a.im.minus(b.im).abs()).lte(largest.times(TOLERANCE));
}

export const isZero = ({ re, im }: Complex): boolean => re.isZero() && im.isZero();
/** Undefined for a division by zero, or where a sum inside it is uncertain. */
export function quotient(a: Complex, b: Complex): Complex | undefined {
  try {
    return over(a, b);
  } catch (error) {
    if (error instanceof Undecided) return undefined;
    throw error;
  }
}

const real = (re: Real): Complex => ({ re, im: ZERO });

function sum(a: Real, b: Real): Real {
  if (a.isZero()) return b;
  if (b.isZero()) return a;
  const [small, large] = a.abs().lt(b.abs()) ? [a.abs(), b.abs()] : [b.abs(), a.abs()];
  if (large.div(small).gt(LARGEST_RATIO)) throw new Undecided();
  const total = a.plus(b);
  return total.abs().lt(large.times(ROUNDING)) ? ZERO : total;
}

const plus = (a: Complex, b: Complex): Complex => checked({ re: sum(a.re, b.re), im: sum(a.im, b.im) });
const minus = ({ re, im }: Complex): Complex => ({ re: re.neg(), im: im.neg() });

function times(a: Complex, b: Complex): Complex {
  return checked({
    re: sum(a.re.times(b.re), a.im.times(b.im).neg()),
    im: sum(a.re.times(b.im), a.im.times(b.re)),
  });
}

function over(a: Complex, b: Complex): Complex {
  if (isZero(b)) throw new Undecided();
  if (b.im.isZero()) return checked({ re: a.re.div(b.re), im: a.im.div(b.re) });
  const size = sum(b.re.times(b.re), b.im.times(b.im));
  return over(times(a, { re: b.re, im: b.im.neg() }), real(size));
}

function checked(value: Complex): Complex {
  if (!value.re.isFinite() || !value.im.isFinite()) throw new Undecided();
  return value;
}

/** An integer, if rounding alone separates the value from it: a third times three. */
function settled(value: Real): Real {
  const whole = value.round();
  return value.minus(whole).abs().lt(ROUNDING) ? whole : value;
}

const withoutRounding = (value: Real): Real => (value.abs().lt(ROUNDING) ? ZERO : value);

class Evaluation {
  private slowSteps = 0;

  constructor(private readonly point: Point) {}

  value(expression: Expression, isAngle = false): Complex {
    switch (expression.kind) {
      case 'number': {
        const { digits, repeating } = expression;
        if (digits.length > MAX_DIGITS) throw new Undecided();
        const value = new Real(digits);
        if (repeating === undefined) return real(value);
        const places = digits.length - digits.indexOf('.') - 1;
        const period = new Real(repeating).div(new Real(10).pow(repeating.length).minus(1));
        return real(value.plus(period.div(new Real(10).pow(places))));
      }
      case 'constant':
        if (expression.name === 'i') return { re: ZERO, im: ONE };
        return real(expression.name === 'pi' ? PI : E);
      case 'symbol':
        return real(new Real(this.point(expression.name)));
      case 'call':
        return this.applied(expression, isAngle);
    }
  }

  private applied({ name, args }: Call, isAngle: boolean): Complex {
    // The ring of degrees has a meaning inside an angle; an answer in degrees is a number with a unit.
    const passes = ['add', 'negate', 'multiply', 'divide'].includes(name);
    const inner = isAngle ? passes : ['sin', 'cos', 'tan', 'cot', 'sec', 'csc'].includes(name);
    const [a, b] = args.map((one) => this.value(one, inner));
    switch (name) {
      case 'degrees':
        return isAngle ? times(a, real(PI.div(180))) : a;
      case 'percent':
        return over(a, real(new Real(100)));
      case 'add':
        return plus(a, b);
      case 'negate':
        return minus(a);
      case 'multiply':
        return times(a, b);
      case 'divide':
        return over(a, b);
      case 'power':
        return this.power(a, b);
      case 'root':
        return this.root(a, b);
      case 'abs':
        return real(this.size(a));
      case 'floor':
      case 'ceil':
        return real(name === 'floor' ? settled(realOf(a)).floor() : settled(realOf(a)).ceil());
      case 'factorial':
        return real(factorial(wholeOf(a)));
      case 'binomial':
        return real(choose(wholeOf(a), wholeOf(b)));
      case 'ln':
        return this.logarithm(a);
      case 'log':
        return over(this.logarithm(a), this.logarithm(b));
      case 'exp':
        return this.exponential(a);
      default:
        return this.angle(name, a);
    }
  }

  private slow(): void {
    if (++this.slowSteps > MAX_SLOW_STEPS) throw new Undecided();
  }

  private power(base: Complex, exponent: Complex): Complex {
    const n = settled(exponent.re);
    if (isZero(base)) {
      if (!exponent.im.isZero() || n.lte(0)) throw new Undecided();
      return base;
    }
    const isWhole = exponent.im.isZero() && n.isInteger() && n.abs().lte(MAX_POWER);
    if (isWhole && base.im.isZero()) return checked(real(base.re.pow(n)));
    if (isWhole) {
      let result = real(ONE);
      for (const bit of n.abs().toNumber().toString(2)) {
        result = times(result, result);
        if (bit === '1') result = times(result, base);
      }
      return n.isNegative() ? over(real(ONE), result) : result;
    }
    if (base.im.isZero() && base.re.isPositive() && exponent.im.isZero()) {
      this.slow();
      return checked(real(base.re.pow(n)));
    }
    return this.exponential(times(exponent, this.logarithm(base)));
  }

  /** The real root where there is one, as in school: the cube root of -8 is -2. */
  private root(base: Complex, degree: Complex): Complex {
    const n = wholeOf(degree);
    if (n < 1 || isZero(base)) return n < 1 ? this.power(base, over(real(ONE), degree)) : base;
    this.slow();
    if (base.im.isZero()) {
      const of = (value: Real): Real => (n === 2 ? value.sqrt() : n === 3 ? value.cbrt() : value.pow(ONE.div(n)));
      if (base.re.isPositive()) return real(of(base.re));
      if (n % 2 === 1) return real(of(base.re.neg()).neg());
      if (n === 2) return { re: ZERO, im: of(base.re.neg()) };
    }
    return this.power(base, over(real(ONE), degree));
  }

  private size({ re, im }: Complex): Real {
    if (im.isZero()) return re.abs();
    return sum(re.times(re), im.times(im)).sqrt();
  }

  private logarithm(value: Complex): Complex {
    if (isZero(value)) throw new Undecided();
    this.slow();
    if (value.im.isZero() && value.re.isPositive()) return real(withoutRounding(value.re.ln()));
    return { re: withoutRounding(this.size(value).ln()), im: Real.atan2(value.im, value.re) };
  }

  private exponential({ re, im }: Complex): Complex {
    this.slow();
    const size = re.exp();
    if (size.isZero()) throw new Undecided();
    if (im.isZero()) return checked(real(size));
    const { sine, cosine } = this.circle(im);
    return checked({ re: size.times(cosine), im: size.times(sine) });
  }

  private circle(angle: Real): { readonly sine: Real; readonly cosine: Real } {
    this.slow();
    if (angle.abs().gt(LARGEST_ANGLE)) throw new Undecided();
    return { sine: withoutRounding(angle.sin()), cosine: withoutRounding(angle.cos()) };
  }

  private angle(name: FunctionName, value: Complex): Complex {
    const x = realOf(value);
    if (['sinh', 'cosh', 'tanh'].includes(name)) {
      const [up, down] = [this.exponential(real(x)), this.exponential(real(x.neg()))];
      const [sine, cosine] = [over(plus(up, minus(down)), real(new Real(2))), over(plus(up, down), real(new Real(2)))];
      return name === 'sinh' ? sine : name === 'cosh' ? cosine : over(sine, cosine);
    }
    if (name.startsWith('arc')) {
      this.slow();
      const angle = name === 'arcsin' ? x.asin() : name === 'arccos' ? x.acos() : x.atan();
      if (angle.isNaN()) throw new Undecided();
      return real(angle);
    }
    const { sine, cosine } = this.circle(x);
    const [s, c] = [real(sine), real(cosine)];
    if (name === 'sin') return s;
    if (name === 'cos') return c;
    if (name === 'tan') return over(s, c);
    if (name === 'cot') return over(c, s);
    return over(real(ONE), name === 'sec' ? c : s);
  }
}

function realOf({ re, im }: Complex): Real {
  if (!im.isZero()) throw new Undecided();
  return re;
}

function wholeOf(value: Complex): number {
  const re = settled(realOf(value));
  if (!re.isInteger() || re.isNegative() || re.gt(MAX_FACTORIAL)) throw new Undecided();
  return re.toNumber();
}

function factorial(n: number): Real {
  let product = ONE;
  for (let i = 2; i <= n; i++) product = product.times(i);
  return product;
}

function choose(n: number, k: number): Real {
  let product = ONE;
  for (let i = 1; i <= k; i++) product = product.times(n - k + i).div(i);
  return k > n ? ZERO : product;
}
