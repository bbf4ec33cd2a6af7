/**
 * Expressions in LaTeX, as far as answers of mathematics need them. compute-engine, the one library of JavaScript that
 * parses LaTeX into mathematics, asks for Node 22 and 47 MB, its version for Node 20 reads neither `\dfrac` nor intervals,
 * and neither bounds the time that an answer takes. Sums, integrals and limits, which it knows, do not occur in answers.
 */

/** A function of its arguments; `multiply`, `power` and the like are functions too. */
export interface Call {
  readonly kind: 'call';
  readonly name: FunctionName;
  readonly args: readonly Expression[];
}
/** `digits` is a decimal number without a sign; `repeating` follows its digits without an end: 0.1(6). */
export interface Literal {
  readonly kind: 'number';
  readonly digits: string;
  readonly repeating?: string;
}
/** A variable with its index, or a number that LaTeX has a letter for: `pi`, `e`, `i`. */
export interface Name {
  readonly kind: 'symbol' | 'constant';
  readonly name: string;
}
export type Expression = Call | Literal | Name;

export type FunctionName =
  | ('sin' | 'cos' | 'tan' | 'cot' | 'sec' | 'csc' | 'arcsin' | 'arccos' | 'arctan' | 'sinh' | 'cosh' | 'tanh')
  | ('ln' | 'exp' | 'log' | 'abs' | 'floor' | 'ceil' | 'factorial' | 'binomial' | 'degrees' | 'percent')
  | ('add' | 'negate' | 'multiply' | 'divide' | 'power' | 'root');

/** Written in front of their argument, with or without parentheses. */
const PREFIX = new Set<string>('sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln exp log lg'.split(' '));
const GREEK = new Set(
  'alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega infty ell emptyset varnothing'.split(
    ' ',
  ),
);
const DECORATED = new Set('mathbf mathbb mathcal mathrm vec hat bar overline overrightarrow boldsymbol'.split(' '));
const TIMES = new Set(['*', '\\cdot', '\\times', '\\ast']);
const OVER = new Set(['/', '\\div']);

/** Longer or deeper ones are not answers. */
const MAX_TOKENS = 600;
const MAX_DEPTH = 80;

class NotAnExpression extends Error {}

/**
 * The expression that a text without spaces around it is; undefined for everything else: sentences, equations, lists.
 *
 *     parseExpression('\frac12x')   ->   multiply(divide(1, 2), x)
 */
export function parseExpression(latex: string): Expression | undefined {
  // A blank between digits separates numbers, except in front of three: 10 000.
  const tokens =
    latex.replace(/(?<=\d)\s+(?=\d{3}(?!\d))/g, '').match(/\\[a-zA-Z]+|\\.|(?<=\d)\s(?=\s*[\d.])|\S/gsu) ?? [];
  if (tokens.length === 0 || tokens.length > MAX_TOKENS) return undefined;
  try {
    return new Parser(tokens).whole();
  } catch (error) {
    if (error instanceof NotAnExpression) return undefined;
    throw error;
  }
}

const call = (name: FunctionName, ...args: Expression[]): Call => ({ kind: 'call', name, args });
const integer = (value: number): Literal => ({ kind: 'number', digits: String(value) });
const isDigit = (token: string | undefined): boolean => token !== undefined && /^[0-9]$/.test(token);
const isLetter = (token: string | undefined): boolean => token !== undefined && /^[a-zA-Z]$/.test(token);

/** Recursive descent; each method reads from `at` on. */
class Parser {
  private at = 0;
  private depth = 0;
  /** How many `|` are open: the next one closes. */
  private bars = 0;

  constructor(private readonly tokens: readonly string[]) {}

  whole(): Expression {
    const expression = this.sum();
    if (this.at < this.tokens.length) throw new NotAnExpression();
    return expression;
  }

  private get next(): string | undefined {
    return this.tokens[this.at];
  }

  private skip(token: string): boolean {
    if (this.next !== token) return false;
    this.at++;
    return true;
  }

  private expect(token: string): void {
    if (!this.skip(token)) throw new NotAnExpression();
  }

  private sum(): Expression {
    if (++this.depth > MAX_DEPTH) throw new NotAnExpression();
    let sum = this.signed(() => this.product());
    while (this.next === '+' || this.next === '-') {
      const isMinus = this.tokens[this.at++] === '-';
      const term = this.product();
      sum = call('add', sum, isMinus ? call('negate', term) : term);
    }
    this.depth--;
    return sum;
  }

  private signed(read: () => Expression): Expression {
    let isNegative = false;
    while (this.next === '+' || this.next === '-') isNegative = (this.tokens[this.at++] === '-') !== isNegative;
    const value = read();
    return isNegative ? call('negate', value) : value;
  }

  private product(): Expression {
    let last = this.factor();
    let product = last;
    for (;;) {
      const { next } = this;
      if (next !== undefined && TIMES.has(next)) {
        this.at++;
        last = this.signed(() => this.factor());
        product = call('multiply', product, last);
      } else if (next !== undefined && OVER.has(next)) {
        this.at++;
        last = this.signed(() => this.factor());
        product = call('divide', product, last);
      } else if (this.beginsFactor()) {
        const isFraction = next === '\\frac';
        const before = last;
        last = this.factor();
        // 2\frac{3}{4} is a mixed number.
        if (isFraction && product === before && isWhole(before) && isProperFraction(last))
          product = last = call('add', before, last);
        else product = call('multiply', product, last);
      } else return product;
    }
  }

  /** Whether a factor follows without a sign of multiplication. */
  private beginsFactor(): boolean {
    const { next } = this;
    if (next === undefined) return false;
    if (/^[0-9a-zA-Z.({[]$/.test(next)) return true;
    if (next === '|') return this.bars === 0;
    if (!next.startsWith('\\')) return false;
    const name = next.slice(1);
    return (
      PREFIX.has(name) || GREEK.has(name) || DECORATED.has(name) || /^(frac|sqrt|binom|pi|lfloor|lceil)$/.test(name)
    );
  }

  private factor(): Expression {
    let value = this.base();
    for (;;) {
      if (this.next === '^') {
        this.at++;
        value = this.isDegree() ? call('degrees', value) : call('power', value, this.exponent());
      } else if (this.skip('!')) value = call('factorial', value);
      else if (this.skip('\\%') || this.skip('%')) value = call('percent', value);
      else return value;
    }
  }

  /** Reads the ring of degrees behind `^`. */
  private isDegree(): boolean {
    if (this.skip('\\circ')) return true;
    if (this.next !== '{' || this.tokens[this.at + 1] !== '\\circ' || this.tokens[this.at + 2] !== '}') return false;
    this.at += 3;
    return true;
  }

  /** What a command takes: a group, or one token, so that `\frac12` is a half. */
  private argument(): Expression {
    this.skip(' ');
    if (this.next === '{') return this.group('{', '}');
    if (isDigit(this.next)) return { kind: 'number', digits: this.tokens[this.at++] };
    if (this.next === '-') throw new NotAnExpression();
    return this.base();
  }

  /** All digits, unlike in LaTeX: whoever writes `2^10` means 1024. */
  private exponent(): Expression {
    return isDigit(this.next) ? this.number() : this.argument();
  }

  private group(open: string, close: string): Expression {
    this.expect(open);
    const outside = this.bars;
    this.bars = 0;
    const inside = this.sum();
    this.bars = outside;
    this.expect(close);
    return inside;
  }

  private base(): Expression {
    const { next } = this;
    if (next === undefined) throw new NotAnExpression();
    if (isDigit(next) || (next === '.' && isDigit(this.tokens[this.at + 1]))) return this.number();
    if (isLetter(next)) return this.name();
    if (next === '(') return this.group('(', ')');
    if (next === '[') return this.group('[', ']');
    if (next === '{') return this.group('{', '}');
    if (next === '|') {
      this.at++;
      this.bars++;
      const inside = this.sum();
      this.bars--;
      this.expect('|');
      return call('abs', inside);
    }
    if (!next.startsWith('\\')) throw new NotAnExpression();
    this.at++;
    return this.command(next.slice(1));
  }

  private command(name: string): Expression {
    if (name === 'pi') return { kind: 'constant', name: 'pi' };
    if (name === 'frac') return call('divide', this.argument(), this.argument());
    if (name === 'binom') return call('binomial', this.argument(), this.argument());
    if (name === 'sqrt') {
      const degree = this.next === '[' ? this.group('[', ']') : integer(2);
      return call('root', this.argument(), degree);
    }
    if (name === 'lfloor' || name === 'lceil') {
      const inside = this.sum();
      this.expect(name === 'lfloor' ? '\\rfloor' : '\\rceil');
      return call(name === 'lfloor' ? 'floor' : 'ceil', inside);
    }
    if (PREFIX.has(name)) return this.prefixed(name);
    if (GREEK.has(name)) return this.indexed(name);
    if (DECORATED.has(name)) return this.indexed(`${name}:${this.letters()}`);
    throw new NotAnExpression();
  }

  /** `\sin 2x`, `\sin^2 x`, `\log_2 8`, `\sin(x)`. */
  private prefixed(name: string): Expression {
    const base = name === 'log' && this.skip('_') ? this.argument() : integer(10);
    let exponent: Expression | undefined;
    if (this.next === '^') {
      this.at++;
      exponent = this.exponent();
    }
    this.skip(' ');
    const value = '({['.includes(this.next ?? ' ') ? this.base() : this.bareArgument();
    if (exponent && isMinusOne(exponent)) {
      if (!['sin', 'cos', 'tan'].includes(name)) throw new NotAnExpression();
      return call(`arc${name}` as FunctionName, value);
    }
    const applied =
      name === 'log' || name === 'lg' ? call('log', value, base) : call(name as Exclude<FunctionName, 'log'>, value);
    return exponent ? call('power', applied, exponent) : applied;
  }

  /** Everything up to a sign or the next function. */
  private bareArgument(): Expression {
    let value = this.factor();
    while (this.beginsFactor() && !PREFIX.has(this.next!.slice(1))) value = call('multiply', value, this.factor());
    return value;
  }

  private number(): Expression {
    let digits = '';
    while (isDigit(this.next) || (this.next === '.' && !digits.includes('.'))) digits += this.tokens[this.at++];
    if (digits.includes('.') && this.next === '\\overline') {
      this.at++;
      const repeating = this.letters();
      if (!/^\d{1,20}$/.test(repeating)) throw new NotAnExpression();
      return { kind: 'number', digits, repeating };
    }
    // The dot at the end of a sentence is not a decimal point.
    if (digits.endsWith('.')) throw new NotAnExpression();
    return { kind: 'number', digits };
  }

  private name(): Expression {
    const letter = this.tokens[this.at++];
    if (letter === 'e' || letter === 'i') return { kind: 'constant', name: letter };
    return this.indexed(letter);
  }

  /** With the index and the primes behind it, which belong to the name. */
  private indexed(letter: string): Name {
    let name = letter;
    if (this.skip('_')) name += `_${this.next === '{' ? this.letters() : this.tokens[this.at++]}`;
    while (this.skip("'")) name += "'";
    return { kind: 'symbol', name };
  }

  /** Letters and digits in braces, or one of them. */
  private letters(): string {
    if (!this.skip('{')) return this.tokens[this.at++] ?? '';
    const end = this.tokens.indexOf('}', this.at);
    const inside = this.tokens.slice(this.at, end < 0 ? undefined : end).join('');
    if (!/^[0-9a-zA-Z,]+$/.test(inside)) throw new NotAnExpression();
    this.at = end + 1;
    return inside;
  }
}

const isWhole = (value: Expression): boolean => value.kind === 'number' && /^\d+$/.test(value.digits);
const isMinusOne = (value: Expression): boolean => JSON.stringify(value) === JSON.stringify(call('negate', integer(1)));
const isProperFraction = (value: Expression): boolean =>
  value.kind === 'call' && value.name === 'divide' && value.args.every(isWhole) && isBelow(value.args as Literal[]);
const isBelow = ([top, bottom]: readonly Literal[]): boolean => Number(top.digits) < Number(bottom.digits);
