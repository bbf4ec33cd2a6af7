/** The library's interpreter of Jinja, corrected where it differs from Python's, and with limits. */
import * as library from '@huggingface/jinja';
import { occurrences, type Budget, type Value } from './jinja-bounds';
import { pythonStrip, stripsBy } from './python-text';

/** Variables of a block; missing ones are looked up in its parent. */
export interface Scope {
  set(name: string, value: unknown): Value;
}

export interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** The parts of the library that are used; its types hide or do not resolve some of them. */
interface LibraryInterpreter {
  run(program: Node): Value;
  evaluate(statement: Node | undefined, scope: Scope): Value;
  evaluateBlock(statements: readonly Node[], scope: Scope): Value;
  applyFilter(operand: Value, filter: Node, scope: Scope): Value;
  evaluateMemberExpression(expression: Node, scope: Scope): Value;
  evaluateBinaryExpression(expression: Node, scope: Scope): Value;
  evaluateArguments(args: readonly Node[], scope: Scope): [Value[], Map<string, Value>];
}

const { Environment, Interpreter, parse, tokenize } = library as unknown as {
  readonly Environment: new (parent?: Scope) => Scope;
  readonly Interpreter: new (scope: Scope) => LibraryInterpreter;
  readonly parse: (tokens: unknown) => Node;
  readonly tokenize: (source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }) => unknown;
};

export const Scope = Environment;

/** With the whitespace handling that the published library requests of Jinja. */
export const parseTemplate = (source: string): Node =>
  parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));

/** A value of the library, which does not export its classes. */
const valueOf = (value: unknown): Value => new Environment().set('value', value);

const isText = (value: Value): value is Value & { readonly value: string } => value.type === 'StringValue';
const isNumeric = ({ type }: Value): boolean =>
  type === 'IntegerValue' || type === 'FloatValue' || type === 'BooleanValue';
const isList = ({ type }: Value): boolean => type === 'ArrayValue' || type === 'TupleValue';

/** Python's `str` of a value. Lists and objects are refused, because Python has its own notation for them. */
function pythonText(value: Value): string {
  switch (value.type) {
    case 'BooleanValue':
      return value.value === true ? 'True' : 'False';
    case 'NullValue':
      return 'None';
    case 'UndefinedValue':
      return '';
    case 'StringValue':
    case 'IntegerValue':
    case 'FloatValue':
      return value.toString();
    default:
      throw new Error(
        'it writes a list, an object or a function as text, which is not supported; tojson writes the first two',
      );
  }
}

/** Python's `==`: values of different kinds are never equal, except numbers. */
function pythonEquals(left: Value, right: Value, budget: Budget): boolean {
  if (isText(left) && isText(right)) budget.compare(left.value, right.value);
  else budget.spend(1);
  if (isNumeric(left) && isNumeric(right)) return Number(left.value) === Number(right.value);
  if (isList(left) && isList(right)) {
    const [one, two] = [left.value as readonly Value[], right.value as readonly Value[]];
    return one.length === two.length && one.every((item, i) => pythonEquals(item, two[i], budget));
  }
  if (left.type !== right.type) return false;
  if (left.type !== 'ObjectValue') return left.value === right.value;
  const [one, two] = [left.value as ReadonlyMap<string, Value>, right.value as ReadonlyMap<string, Value>];
  return (
    one.size === two.size && [...one].every(([key, item]) => two.has(key) && pythonEquals(item, two.get(key)!, budget))
  );
}

/** Statements whose value is not written out. */
const SILENT: ReadonlySet<string> = new Set(['Set', 'Macro', 'Comment']);

/** A node for a value that already exists. */
const evaluated = (value: Value): Node => ({ type: 'Evaluated', result: value });

/** Roles of the parts of a template. */
export interface NodeRoles {
  /** Bodies of loops. */
  readonly loopBodies: ReadonlySet<unknown>;
  /** Expressions whose values are iterated over: those of loops, and those that `*` unpacks. */
  readonly unrolled: ReadonlySet<unknown>;
}

/** Nested expressions and statements: recursive macros over a tool's schema take a few hundred. */
const MAX_DEPTH = 700;

/** Filters whose time does not depend on the number of items. */
const CHEAP_FILTERS: ReadonlySet<unknown> = new Set([
  'length',
  'count',
  'first',
  'last',
  'list',
  'safe',
  'default',
  'get',
]);
/** Filters that insert a text as often as they find something. */
const REPEATING_FILTERS: ReadonlySet<unknown> = new Set(['indent', 'join', 'replace', 'tojson']);
/** Spaces of `indent` if the call of the filter does not set a number. */
const USUAL_INDENT = 4;
/** Comparisons that a sort counts per item. */
const COMPARISONS = 20;

/**
 * Differences from the library, as in Python: blanks are stripped as by `str.strip`, with its argument; variables set
 * in the body of a loop are forgotten in the next round; lengths count characters; True, False and None are written so;
 * `==` and `+` respect kinds. And a template has to end within its budget.
 */
export class BoundedInterpreter extends Interpreter {
  /** Expressions and statements around the evaluated one. */
  private depth = 0;

  constructor(
    scope: Scope,
    private readonly roles: NodeRoles,
    private readonly budget: Budget,
  ) {
    super(scope);
  }

  override evaluate(statement: Node | undefined, scope: Scope): Value {
    this.budget.spend(1);
    if (statement?.type === 'Evaluated') return statement.result as Value;
    // Otherwise the stack may overflow while a variable is looked up, and the library treats it as missing.
    if (++this.depth > MAX_DEPTH) throw new RangeError(`more than ${MAX_DEPTH} expressions within each other`);
    let value: Value;
    try {
      value = super.evaluate(statement, scope);
    } finally {
      this.depth--;
    }
    this.budget.look(value);
    if (this.roles.unrolled.has(statement)) this.budget.goThrough(value);
    return value;
  }

  override evaluateBlock(statements: readonly Node[], scope: Scope): Value {
    this.budget.spend(1);
    const own = this.roles.loopBodies.has(statements) ? new Environment(scope) : scope;
    let text = '';
    for (const statement of statements) {
      const value = this.evaluate(statement, own);
      if (!SILENT.has(statement.type)) text += pythonText(value);
      this.budget.checkLength(text.length);
    }
    return valueOf(text);
  }

  override evaluateBinaryExpression(expression: Node, scope: Scope): Value {
    const operator = (expression.operator as { readonly value: string }).value;
    if (!['==', '!=', '~', '+'].includes(operator)) return super.evaluateBinaryExpression(expression, scope);
    const left = this.evaluate(expression.left as Node, scope);
    const right = this.evaluate(expression.right as Node, scope);
    if (operator === '~') return valueOf(pythonText(left) + pythonText(right));
    if (operator !== '+') return valueOf(pythonEquals(left, right, this.budget) === (operator === '=='));
    if (isText(left) && isText(right)) return valueOf(left.value + right.value);
    if (isText(left) || isText(right)) throw new Error('+ joins a text with something that is not one');
    return super.evaluateBinaryExpression({ ...expression, left: evaluated(left), right: evaluated(right) }, scope);
  }

  override applyFilter(operand: Value, filter: Node, scope: Scope): Value {
    const isCall = filter.type === 'CallExpression';
    const name = isCall ? (filter.callee as Node).value : filter.value;
    if (name === 'string') return valueOf(pythonText(operand));
    if (!CHEAP_FILTERS.has(name)) this.budget.goThrough(operand);
    if (name === 'sort' && isList(operand)) this.checkSorted(operand.value as readonly Value[]);
    if (REPEATING_FILTERS.has(name))
      return super.applyFilter(operand, this.bounded(operand, name, filter, scope), scope);
    if (!isText(operand)) return super.applyFilter(operand, filter, scope);
    if (name === 'length' || name === 'count') return valueOf(Array.from(operand.value).length);
    if (name !== 'trim') return super.applyFilter(operand, filter, scope);
    const [characters] = (isCall ? (filter.args as Node[]) : []).map((argument) => this.evaluate(argument, scope));
    const stripped = characters && isText(characters) ? characters.value : undefined;
    return valueOf(pythonStrip(operand.value, 'strip', stripped));
  }

  override evaluateMemberExpression(expression: Node, scope: Scope): Value {
    const property = expression.property as Node;
    const object = this.evaluate(expression.object as Node, scope);
    if (isText(object) && !expression.computed && property.type === 'Identifier' && stripsBy(property.value)) {
      const side = property.value;
      const text = object.value;
      return valueOf((characters?: string | null) => pythonStrip(text, side, characters ?? undefined));
    }
    const found = super.evaluateMemberExpression({ ...expression, object: evaluated(object) }, scope);
    return isText(object) && found.type === 'FunctionValue' ? this.boundedMethod(object.value, found) : found;
  }

  /** The filter with its arguments evaluated. Throws if its result is too long. */
  private bounded(operand: Value, name: unknown, filter: Node, scope: Scope): Node {
    const [args, named] =
      filter.type === 'CallExpression'
        ? this.evaluateArguments(filter.args as readonly Node[], scope)
        : [[], new Map<string, Value>()];
    const numberOf = (value: Value | undefined, otherwise: number): number =>
      typeof value?.value === 'number' ? value.value : otherwise;
    const lengthOf = (value: Value | undefined): number => (value && isText(value) ? value.value.length : 0);
    const { budget } = this;
    if (name === 'tojson') {
      const separators = named.get('separators')?.value;
      const each = Array.isArray(separators) ? (separators as Value[]).reduce((sum, one) => sum + lengthOf(one), 0) : 4;
      budget.checkWritten(operand, { indent: numberOf(named.get('indent'), 0), separators: each });
    } else if (name === 'join') {
      budget.checkWritten(operand, { separators: 2 + lengthOf(args[0] ?? named.get('separator')) });
      if (isText(operand)) budget.checkRepeated(operand.value.length, lengthOf(args[0] ?? named.get('separator')));
    } else if (isText(operand) && name === 'indent') {
      const width = numberOf(args[0] ?? named.get('width'), USUAL_INDENT);
      budget.checkRepeated(occurrences(operand.value, '\n') + 1, width);
    } else if (isText(operand)) this.checkReplaced(operand.value, args);
    if (filter.type !== 'CallExpression') return filter;
    const keywords = [...named].map(([key, value]) => ({
      type: 'KeywordArgumentExpression',
      key: { type: 'Identifier', value: key },
      value: evaluated(value),
    }));
    return { ...filter, args: [...args.map(evaluated), ...keywords] };
  }

  /** A method of a text that throws if its result is too long. */
  private boundedMethod(text: string, method: Value): Value {
    type Method = (args: readonly Value[], scope: Scope) => Value;
    const call = method.value as Method;
    const bounded: Method = (args, scope) => {
      const [first, second] = args;
      if (first && isText(first)) {
        if (second && isText(second)) this.checkReplaced(text, args);
        // The parts of the split.
        else this.budget.spend(occurrences(text, first.value) >> 3);
      } else if (!first || first.type === 'NullValue') this.budget.spend(text.length >> 6);
      return call(args, scope);
    };
    return new (method.constructor as new (value: Method) => Value)(bounded);
  }

  private checkReplaced(text: string, [from, to]: readonly Value[]): void {
    if (from && to && isText(from) && isText(to))
      this.budget.checkRepeated(occurrences(text, from.value), to.value.length);
  }

  /** Texts are compared without case, which is computed each time. */
  private checkSorted(items: readonly Value[]): void {
    for (const item of items) if (isText(item)) this.budget.spend((COMPARISONS * item.value.length) >> 10);
  }
}
