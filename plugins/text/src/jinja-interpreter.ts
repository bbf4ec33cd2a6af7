/** The library's interpreter of Jinja, corrected where it differs from Python's, and bounded. */
import * as library from '@huggingface/jinja';
import { pythonStrip, stripsBy } from './python-text';

const MAX_STEPS = 500_000;
const MAX_TEXT_CHARACTERS = 1 << 25;

/** What a template asks beyond its bounds. */
export class TooMuch extends Error {}

interface Value {
  readonly type: string;
  readonly value: unknown;
  /** Of texts and numbers as Python writes them. */
  readonly toString: () => string;
}

/** Variables of a block; what it lacks, its parent may have. */
export interface Scope {
  set(name: string, value: unknown): Value;
}

export interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** What is used of the library, some of which its types keep to themselves or do not resolve. */
interface LibraryInterpreter {
  run(program: Node): Value;
  evaluate(statement: Node | undefined, scope: Scope): Value;
  evaluateBlock(statements: readonly Node[], scope: Scope): Value;
  applyFilter(operand: Value, filter: Node, scope: Scope): Value;
  evaluateMemberExpression(expression: Node, scope: Scope): Value;
  evaluateBinaryExpression(expression: Node, scope: Scope): Value;
}

const { Environment, Interpreter, parse, tokenize } = library as unknown as {
  readonly Environment: new (parent?: Scope) => Scope;
  readonly Interpreter: new (scope: Scope) => LibraryInterpreter;
  readonly parse: (tokens: unknown) => Node;
  readonly tokenize: (source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }) => unknown;
};

export const Scope = Environment;

/** With the handling of blanks that the published library asks Jinja for. */
export const parseTemplate = (source: string): Node =>
  parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));

/** A value of the library's, which does not export their classes. */
const valueOf = (value: unknown): Value => new Environment().set('value', value);

const isText = (value: Value): value is Value & { readonly value: string } => value.type === 'StringValue';
const isNumeric = ({ type }: Value): boolean =>
  type === 'IntegerValue' || type === 'FloatValue' || type === 'BooleanValue';
const isList = ({ type }: Value): boolean => type === 'ArrayValue' || type === 'TupleValue';

/** What Python's `str` makes of a value; lists and objects are refused, of which it writes Python's own notation. */
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

/** Python's `==`: values of different kinds are never equal, but for numbers. */
function pythonEquals(left: Value, right: Value): boolean {
  if (isNumeric(left) && isNumeric(right)) return Number(left.value) === Number(right.value);
  if (isList(left) && isList(right)) {
    const [one, two] = [left.value as readonly Value[], right.value as readonly Value[]];
    return one.length === two.length && one.every((item, i) => pythonEquals(item, two[i]));
  }
  if (left.type !== right.type) return false;
  if (left.type !== 'ObjectValue') return left.value === right.value;
  const [one, two] = [left.value as ReadonlyMap<string, Value>, right.value as ReadonlyMap<string, Value>];
  return one.size === two.size && [...one].every(([key, item]) => two.has(key) && pythonEquals(item, two.get(key)!));
}

/** Statements whose value is not written. */
const SILENT: ReadonlySet<string> = new Set(['Set', 'Macro', 'Comment']);

/**
 * Where the library differs from Python: blanks are stripped as `str.strip` does and with its argument; what a loop's body sets is
 * forgotten in the next round; lengths count characters; True, False and None are written so; `==` and `+` go by kinds. And a
 * template has to end.
 */
export class BoundedInterpreter extends Interpreter {
  private steps = 0;

  constructor(
    scope: Scope,
    private readonly loopBodies: ReadonlySet<unknown>,
  ) {
    super(scope);
  }

  /** Throws once a rendering has taken too many steps. */
  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > MAX_STEPS) throw new TooMuch(`it takes more than ${MAX_STEPS.toLocaleString('en')} steps`);
  }

  override evaluate(statement: Node | undefined, scope: Scope): Value {
    this.spend(1);
    const value = super.evaluate(statement, scope);
    if (isText(value)) this.checkLength(value.value);
    return value;
  }

  override evaluateBlock(statements: readonly Node[], scope: Scope): Value {
    this.spend(1);
    const own = this.loopBodies.has(statements) ? new Environment(scope) : scope;
    let text = '';
    for (const statement of statements) {
      const value = this.evaluate(statement, own);
      if (!SILENT.has(statement.type)) text += pythonText(value);
      this.checkLength(text);
    }
    return valueOf(text);
  }

  override evaluateBinaryExpression(expression: Node, scope: Scope): Value {
    const operator = (expression.operator as { readonly value: string }).value;
    if (!['==', '!=', '~', '+'].includes(operator)) return super.evaluateBinaryExpression(expression, scope);
    const left = this.evaluate(expression.left as Node, scope);
    const right = this.evaluate(expression.right as Node, scope);
    if (operator === '~') return valueOf(pythonText(left) + pythonText(right));
    if (operator !== '+') return valueOf(pythonEquals(left, right) === (operator === '=='));
    if (isText(left) && isText(right)) return valueOf(left.value + right.value);
    if (isText(left) || isText(right)) throw new Error('+ joins a text with something that is not one');
    // Of numbers and lists, which are evaluated already.
    const literal = (value: Value): Node => ({ type: 'Identifier', value: value === left ? 'left' : 'right' });
    const operands = new Environment() as Scope & { readonly variables: Map<string, Value> };
    operands.variables.set('left', left).set('right', right);
    return super.evaluateBinaryExpression({ ...expression, left: literal(left), right: literal(right) }, operands);
  }

  override applyFilter(operand: Value, filter: Node, scope: Scope): Value {
    const isCall = filter.type === 'CallExpression';
    const name = isCall ? (filter.callee as Node).value : filter.value;
    if (name === 'string') return valueOf(pythonText(operand));
    if (!isText(operand)) return super.applyFilter(operand, filter, scope);
    if (name === 'length' || name === 'count') return valueOf(Array.from(operand.value).length);
    if (name !== 'trim') return super.applyFilter(operand, filter, scope);
    const [characters] = (isCall ? (filter.args as Node[]) : []).map((argument) => this.evaluate(argument, scope));
    const stripped = characters && isText(characters) ? characters.value : undefined;
    return valueOf(pythonStrip(operand.value, 'strip', stripped));
  }

  override evaluateMemberExpression(expression: Node, scope: Scope): Value {
    const property = expression.property as Node;
    if (!expression.computed && property.type === 'Identifier' && stripsBy(property.value)) {
      const side = property.value;
      const object = this.evaluate(expression.object as Node, scope);
      if (isText(object)) {
        const text = object.value;
        return valueOf((characters?: string | null) => pythonStrip(text, side, characters ?? undefined));
      }
    }
    return super.evaluateMemberExpression(expression, scope);
  }

  private checkLength(text: string): void {
    if (text.length > MAX_TEXT_CHARACTERS)
      throw new TooMuch(`it makes a text of more than ${MAX_TEXT_CHARACTERS.toLocaleString('en')} characters`);
  }
}
