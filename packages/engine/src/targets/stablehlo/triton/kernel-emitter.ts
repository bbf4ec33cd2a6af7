/** A value of a kernel: its name and its type in MLIR. */
export interface Val {
  readonly name: string;
  readonly type: string;
}

/** What an element is in MLIR. */
export type Element = 'f32' | 'bf16' | 'i32' | 'i1';

export const tensor = (shape: readonly number[], element: string): string => `tensor<${[...shape, element].join('x')}>`;
const pointerTo = (element: Element): string => `!tt.ptr<${element}>`;

/** The shape of a tensor's type; that of a number is empty. */
export function shapeOf({ type }: Val): number[] {
  const [, dimensions] = /^tensor<((?:\d+x)*)/.exec(type) ?? [];
  return (dimensions ?? '').split('x').filter(Boolean).map(Number);
}

/** What a tensor consists of, or a number is. */
export function elementOf({ type }: Val): string {
  return /^tensor<(?:\d+x)*(.+)>$/.exec(type)?.[1] ?? type;
}

const isFloat = (value: Val): boolean => /^(f32|bf16)$/.test(elementOf(value));

/** Writes a kernel in Triton's dialects of MLIR: operations on tiles. Every method returns a value. */
export class KernelEmitter {
  private readonly lines: string[] = [];
  private depth = 1;
  private count = 0;

  /** The module with the kernel; its arguments are pointers. */
  static module(
    name: string,
    args: readonly (readonly [name: string, element: Element])[],
    body: (to: KernelEmitter, pointers: Record<string, Val>) => void,
  ): string {
    const to = new KernelEmitter();
    const pointers = args.map(([arg, element]): Val => ({ name: `%${arg}`, type: pointerTo(element) }));
    body(to, Object.fromEntries(args.map(([arg], i) => [arg, pointers[i]])));
    const parameters = pointers.map((pointer) => `${pointer.name}: ${pointer.type} {tt.divisibility = 16 : i32}`);
    return [
      'module {',
      `  tt.func public @${name}(${parameters.join(', ')}) {`,
      ...to.lines.map((line) => `  ${line}`),
      '    tt.return',
      '  }',
      '}',
    ].join('\n');
  }

  private line(text: string): void {
    this.lines.push(`${'  '.repeat(this.depth)}${text}`);
  }

  private set(type: string, text: string): Val {
    const value = { name: `%${this.count++}`, type };
    this.line(`${value.name} = ${text}`);
    return value;
  }

  programId(axis: 'x' | 'y' | 'z'): Val {
    return this.set('i32', `tt.get_program_id ${axis} : i32`);
  }

  int(value: number): Val {
    return this.set('i32', `arith.constant ${value} : i32`);
  }

  /** One number everywhere. */
  fill(shape: readonly number[], value: number, element: Element = 'f32'): Val {
    const type = tensor(shape, element);
    const text = element === 'i32' ? String(value) : value.toExponential();
    return this.set(type, `arith.constant dense<${text.replace(/^(-?\d+)e/, '$1.0e')}> : ${type}`);
  }

  /** 0, 1, 2, ...: i32 [size]. */
  range(size: number): Val {
    const type = tensor([size], 'i32');
    return this.set(type, `tt.make_range {end = ${size} : i32, start = 0 : i32} : ${type}`);
  }

  private splat(value: Val, shape: readonly number[]): Val {
    const type = tensor(shape, value.type);
    return this.set(type, `tt.splat ${value.name} : ${value.type} -> ${type}`);
  }

  /** [n] as [n, 1] (axis 1) or [1, n] (axis 0), repeated to a shape. */
  spread(value: Val, axis: 0 | 1, shape: readonly number[]): Val {
    const [size] = shapeOf(value);
    const thin = tensor(axis === 1 ? [size, 1] : [1, size], elementOf(value));
    const expanded = this.set(thin, `tt.expand_dims ${value.name} {axis = ${axis} : i32} : ${value.type} -> ${thin}`);
    const type = tensor(shape, elementOf(value));
    return type === thin ? expanded : this.set(type, `tt.broadcast ${expanded.name} : ${thin} -> ${type}`);
  }

  private binary(op: string, a: Val, b: Val): Val {
    return this.set(a.type, `${op} ${a.name}, ${b.name} : ${a.type}`);
  }

  /** A number meets a tensor: it is repeated. */
  private together(a: Val, b: Val): [Val, Val] {
    const [left, right] = [shapeOf(a), shapeOf(b)];
    if (left.length === right.length) return [a, b];
    return left.length === 0 ? [this.splat(a, right), b] : [a, this.splat(b, left)];
  }

  private arithmetic(ofFloats: string, ofIntegers: string, a: Val, b: Val): Val {
    const [x, y] = this.together(a, b);
    return this.binary(isFloat(x) ? ofFloats : ofIntegers, x, y);
  }

  add(a: Val, b: Val): Val {
    return this.arithmetic('arith.addf', 'arith.addi', a, b);
  }

  subtract(a: Val, b: Val): Val {
    return this.arithmetic('arith.subf', 'arith.subi', a, b);
  }

  multiply(a: Val, b: Val): Val {
    return this.arithmetic('arith.mulf', 'arith.muli', a, b);
  }

  divide(a: Val, b: Val): Val {
    return this.arithmetic('arith.divf', 'arith.divsi', a, b);
  }

  remainder(a: Val, b: Val): Val {
    return this.binary('arith.remsi', a, b);
  }

  least(a: Val, b: Val): Val {
    return this.binary('arith.minsi', a, b);
  }

  largest(a: Val, b: Val): Val {
    return this.binary(isFloat(a) ? 'arith.maxnumf' : 'arith.maxsi', a, b);
  }

  both(a: Val, b: Val): Val {
    return this.binary('arith.andi', a, b);
  }

  /** Compares signed integers. */
  compare(how: 'eq' | 'ne' | 'slt' | 'sle' | 'sgt' | 'sge', a: Val, b: Val): Val {
    const [x, y] = this.together(a, b);
    const type = shapeOf(x).length === 0 ? 'i1' : tensor(shapeOf(x), 'i1');
    return this.set(type, `arith.cmpi ${how}, ${x.name}, ${y.name} : ${x.type}`);
  }

  select(condition: Val, yes: Val, no: Val): Val {
    return this.set(
      yes.type,
      `arith.select ${condition.name}, ${yes.name}, ${no.name} : ${condition.type}, ${yes.type}`,
    );
  }

  exp2(x: Val): Val {
    return this.set(x.type, `math.exp2 ${x.name} : ${x.type}`);
  }

  log2(x: Val): Val {
    return this.set(x.type, `math.log2 ${x.name} : ${x.type}`);
  }

  /** The processor's approximation, with eleven right bits: more than those of products in bfloat16. */
  tanh(x: Val): Val {
    return this.set(
      x.type,

      `tt.elementwise_inline_asm "tanh.approx.f32 $0, $1;" {constraints = "=r,r", packed_element = 1 : i32, pure = true} ${x.name} : ${x.type} -> ${x.type}`,
    );
  }

  narrow(x: Val): Val {
    const type = tensor(shapeOf(x), 'bf16');
    return this.set(type, `arith.truncf ${x.name} : ${x.type} to ${type}`);
  }

  transpose(x: Val): Val {
    const type = tensor([...shapeOf(x)].reverse(), elementOf(x));
    return this.set(type, `tt.trans ${x.name} {order = array<i32: 1, 0>} : ${x.type} -> ${type}`);
  }

  /** a [m, k] times b [k, n], added to float32 [m, n]. */
  dot(a: Val, b: Val, sum: Val): Val {
    return this.set(sum.type, `tt.dot ${a.name}, ${b.name}, ${sum.name} : ${a.type} * ${b.type} -> ${sum.type}`);
  }

  private rowReduced(op: string, x: Val): Val {
    const type = tensor(shapeOf(x).slice(0, 1), 'f32');
    return this.set(
      type,

      `"tt.reduce"(${x.name}) <{axis = 1 : i32}> ({ ^bb0(%left: f32, %right: f32): %both = ${op} %left, %right : f32 tt.reduce.return %both : f32 }) : (${x.type}) -> ${type}`,
    );
  }

  /** Sums of the rows of [m, n]: [m]. */
  rowSums(x: Val): Val {
    return this.rowReduced('arith.addf', x);
  }

  /** Maxima of the rows of [m, n]: [m]. */
  rowMaxima(x: Val): Val {
    return this.rowReduced('arith.maxnumf', x);
  }

  /** Pointers to the elements that `offsets` count from the start. */
  at(pointer: Val, offsets: Val): Val {
    const all = this.splat(pointer, shapeOf(offsets));
    return this.set(all.type, `tt.addptr ${all.name}, ${offsets.name} : ${all.type}, ${offsets.type}`);
  }

  private static pointee(pointers: Val): string {
    return pointers.type.replace(/!tt\.ptr<(\w+)>/, '$1');
  }

  /** Where `mask` is not set, the result is `other`; by default nothing is left out. */
  load(pointers: Val, mask?: Val, other?: Val): Val {
    const limits = mask ? `, ${mask.name}${other ? `, ${other.name}` : ''}` : '';
    return this.set(KernelEmitter.pointee(pointers), `tt.load ${pointers.name}${limits} : ${pointers.type}`);
  }

  store(pointers: Val, values: Val, mask?: Val): void {
    this.line(`tt.store ${pointers.name}, ${values.name}${mask ? `, ${mask.name}` : ''} : ${pointers.type}`);
  }

  /** Carries values through `from`, `from + step`, ... below `to`. */
  loop(from: Val, to: Val, step: number, initial: readonly Val[], body: (at: Val, carried: Val[]) => Val[]): Val[] {
    const width = this.int(step);
    const id = this.count++;
    const at: Val = { name: `%at${id}`, type: 'i32' };
    const carried = initial.map((value, i): Val => ({ name: `%c${id}_${i}`, type: value.type }));
    const given = carried.map((value, i) => `${value.name} = ${initial[i].name}`).join(', ');
    const types = initial.map(({ type }) => type).join(', ');
    const result = initial.length > 1 ? `%r${id}:${initial.length}` : `%r${id}`;
    this.line(
      `${result} = scf.for ${at.name} = ${from.name} to ${to.name} step ${width.name} iter_args(${given}) -> (${types}) : i32 {`,
    );
    this.depth++;
    const next = body(at, carried);
    this.line(`scf.yield ${next.map(({ name }) => name).join(', ')} : ${types}`);
    this.depth--;
    this.line('}');
    return initial.map(({ type }, i) => ({ name: initial.length > 1 ? `%r${id}#${i}` : `%r${id}`, type }));
  }
}
