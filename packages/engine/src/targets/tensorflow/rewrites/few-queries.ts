/** Shapes: N batch and heads, r rows of a head, P terms of a sum in all, C width, G groups of terms. */
import { isSet } from '../../../program/attributes';
import type { ProgramEditor, Rule } from '../../../program/editor';
import type { Value } from '../../../program/program';
import { elementCount } from '../../../shape';
import { SLOT_MULTIPLE } from '../../../trace/layout-hints';

/**
 * By the number of rows per head: terms in one sum, and the sizes of cached matrices for which the rewriting pays
 * (`test/bench/forms.mjs attention`).
 */
const KINDS = new Map([
  [1, { terms: 4, bytes: [2 << 20, 12 << 20] }],
  [2, { terms: 16, bytes: [2 << 20, Infinity] }],
]);
/** Columns of a tile: its rows stay in the L1 cache while all queries use them. */
const TILE = 256;
/** Terms in one inner sum. */
const SUMS = 16;
/** With at least this many bytes of results, XLA distributes a memory-bound loop over two threads. */
const SHARED_BYTES = 1 << 19;

/** Of a product [N, r, P] times [N, P, C]. */
interface Sizes {
  readonly batch: number;
  readonly rows: number;
  readonly depth: number;
  readonly width: number;
}

/**
 * Whether this rewriting makes one token's attention fastest over keys that are stored transposed, [N, C, S]: for
 * `rows` queries a head, N heads of all sequences, S stored `slots`, a multiple of SLOT_MULTIPLE, C the head dimension.
 */
export function prefersTransposedKeys(heads: number, rows: number, slots: number, headDim: number): boolean {
  const scores = termsOf({ batch: heads, rows, depth: headDim, width: slots });
  return scores !== undefined && termsOf({ batch: heads, rows, depth: slots, width: headDim }) !== undefined;
}

function termsOf({ batch, rows, depth, width }: Sizes): number | undefined {
  const kind = KINDS.get(rows);
  if (!kind || depth % kind.terms !== 0 || width % SLOT_MULTIPLE !== 0) return undefined;
  const stored = 4 * batch * depth * width;
  if (stored < kind.bytes[0] || stored >= kind.bytes[1]) return undefined;
  return (stored / kind.terms) * rows < SHARED_BYTES ? undefined : kind.terms;
}

/**
 * A few queries of each head, a [.., r, P], times stored keys or values, b [.., P, C], rewritten for XLA as sums of
 * products of slices, which it distributes over all threads. For the product itself, XLA emits a single-threaded loop
 * for one row per head, and for several rows a library call that first copies the matrix.
 */
export const fewQueries: Rule = ({ op, attributes, inputs: [a, b] }, editor) => {
  if (op !== 'BatchMatMulV2' || a.dtype !== 'float32') return undefined;
  if (isSet(attributes, 'adj_x') || isSet(attributes, 'adj_y')) return undefined;
  const outer = b.shape.slice(0, -2);
  const [rows, depth] = a.shape.slice(-2);
  const width = b.shape.at(-1)!;
  if (a.shape.slice(0, -2).join() !== outer.join()) return undefined;
  const sizes = { batch: elementCount(outer), rows, depth, width };
  const terms = termsOf(sizes);
  if (terms === undefined) return undefined;
  const sums = new WrittenSums(editor, sizes, terms, a, b);
  const tiles = Math.floor(width / TILE);
  // The last tile may be up to half wider, instead of a separate small tile.
  const whole = width % TILE <= TILE / 2 && tiles < 2 ? 0 : tiles;
  const parts: Value[] = [];
  if (whole > 0) parts.push(sums.columns(0, whole, TILE));
  if (whole * TILE < width) parts.push(sums.columns(whole * TILE, 1, width - whole * TILE));
  return [editor.reshape(editor.concat(parts, 2), ...outer, rows, width)];
};

class WrittenSums {
  private readonly groups: number;
  /** Term by term, [N, G, 1, r, 1] */
  private readonly factors: readonly Value[];
  private readonly stored: Value;

  constructor(
    private readonly editor: ProgramEditor,
    private readonly sizes: Sizes,
    private readonly terms: number,
    a: Value,
    b: Value,
  ) {
    const { batch, rows, depth, width } = sizes;
    const groups = (this.groups = depth / terms);
    const grouped = editor.transpose(editor.reshape(a, batch, rows, groups, terms), 0, 2, 1, 3); // [N, G, r, terms]
    this.factors = Array.from({ length: terms }, (_, j) =>
      editor.reshape(editor.slice(grouped, [0, 0, 0, j], [batch, groups, rows, 1]), batch, groups, 1, rows, 1),
    );
    this.stored = editor.reshape(b, batch, depth, width);
  }

  /** The product's columns from `from` on, in tiles: [N, r, tiles * tile]. */
  columns(from: number, tiles: number, tile: number): Value {
    const { editor, groups, terms } = this;
    const { batch, rows, depth } = this.sizes;
    const part = editor.slice(this.stored, [0, 0, from], [batch, depth, tiles * tile]);
    const inGroups = editor.reshape(part, batch, groups, terms, tiles, tile);
    let sum = editor.sum(
      this.factors.map((factor, j) => {
        const slice = editor.slice(inGroups, [0, 0, j, 0, 0], [batch, groups, 1, tiles, tile]);
        return editor.multiply(factor, editor.reshape(slice, batch, groups, tiles, 1, tile));
      }),
    ); // [N, G, tiles, r, tile]
    for (let left = groups; left > 1;) {
      const size = largestDivisor(left, SUMS);
      left /= size;
      const sums = editor.reshape(sum, batch, left, size, tiles, rows, tile);
      sum = editor.sum(
        Array.from({ length: size }, (_, j) => {
          const slice = editor.slice(sums, [0, 0, j, 0, 0, 0], [batch, left, 1, tiles, rows, tile]);
          return editor.reshape(slice, batch, left, tiles, rows, tile);
        }),
      );
    }
    const rowsFirst = editor.transpose(editor.reshape(sum, batch, tiles, rows, tile), 0, 2, 1, 3);
    return editor.reshape(rowsFirst, batch, rows, tiles * tile);
  }
}

/** The largest divisor of n up to `most`; n itself if the only one is 1. */
function largestDivisor(n: number, most: number): number {
  for (let divisor = Math.min(n, most); divisor > 1; divisor--) if (n % divisor === 0) return divisor;
  return n;
}
