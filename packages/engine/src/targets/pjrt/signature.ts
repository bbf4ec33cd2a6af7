import { dtypeOfElement } from '../stablehlo/types';
import type { TensorType } from './host-values';

/**
 * An argument of a program's `main`; of a program over a mesh, each device's slice of it. Its type is undefined if Graft has no dtype for it or its
 * shape is not static.
 */
export interface Argument {
  readonly type: TensorType | undefined;
  /** A result may take the place of this input. */
  readonly donated: boolean;
}

const DONATION = /\b(?:tf\.aliasing_output\s*=|jax\.buffer_donor\s*=\s*true)/;

/**
 * The arguments of `@main` in StableHLO text; undefined where the text has no such function, which the compiler reports.
 * PJRT does not report them, and without them a buffer of the right size and the wrong dtype would be reinterpreted.
 *
 *     func.func public @main(%a: tensor<4x2xbf16> {tf.aliasing_output = 0 : i32}) -> ...   ->   bfloat16 [4, 2], donated
 *
 * An argument that Shardy's attributes split over the module's mesh has the shape of a device's slice.
 */
export function argumentsOfMain(text: string): Argument[] | undefined {
  const start = /@main\s*\(/.exec(text);
  if (!start) return undefined;
  const parts = splitArguments(text, start.index + start[0].length);
  const axes = meshIn(text);
  return parts?.map((part) => ({ type: typeIn(part, axes), donated: DONATION.test(withoutStrings(part)) }));
}

const withoutStrings = (text: string): string => text.replace(/"(?:[^"\\]|\\.)*"/g, '""');

/** The parts between commas up to the parenthesis that closes the one before `from`. */
function splitArguments(text: string, from: number): string[] | undefined {
  const parts: string[] = [];
  let [depth, start, quoted] = [0, from, false];
  for (let at = from; at < text.length; at++) {
    const sign = text[at];
    if (quoted) {
      if (sign === '\\') at++;
      else if (sign === '"') quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === '-' && text[at + 1] === '>') at++;
    else if ('([{<'.includes(sign)) depth++;
    else if (depth === 0 && (sign === ',' || sign === ')')) {
      parts.push(text.slice(start, at));
      start = at + 1;
      if (sign === ')') return parts.filter((part) => part.trim() !== '');
    } else if (')]}>'.includes(sign)) depth--;
  }
  return undefined;
}

/** Sizes of the axes of the module's mesh, by name. */
function meshIn(text: string): ReadonlyMap<string, number> {
  const mesh = /\bsdy\.mesh @\w+ = <\[([^\]]*)\]/.exec(text);
  return new Map(Array.from(mesh?.[1].matchAll(/"(\w+)"=(\d+)/g) ?? [], ([, name, size]) => [name, Number(size)]));
}

/** Into how many parts each dimension is split. */
function partsIn(part: string, axes: ReadonlyMap<string, number>): number[] {
  const sharding = /#sdy\.sharding<@\w+, \[([^\]]*)\]/.exec(part);
  return Array.from(sharding?.[1].matchAll(/\{([^}]*)\}/g) ?? [], ([, names]) =>
    Array.from(names.matchAll(/"(\w+)"/g)).reduce((product, [, name]) => product * (axes.get(name) ?? 1), 1),
  );
}

function typeIn(part: string, axes: ReadonlyMap<string, number>): TensorType | undefined {
  const inner = /:\s*tensor<((?:\d+x)*)([a-z][a-z0-9]*|complex<f32>)\s*[,>]/.exec(part);
  const dtype = inner && dtypeOfElement(inner[2]);
  if (!dtype) return undefined;
  const parts = axes.size > 0 ? partsIn(part, axes) : [];
  const shape = inner[1].split('x').filter(Boolean).map(Number);
  return { dtype, shape: shape.map((size, dimension) => size / (parts[dimension] ?? 1)) };
}
