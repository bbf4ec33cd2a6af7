/**
 * Attention without its matrix of scores, as kernels for NVIDIA's processors (after FlashAttention-2, Dao 2023): tiles
 * of scores are computed, used and forgotten, in the backward pass once more.
 *
 * Shapes: B batch, T queries, S keys, H query heads, K key/value heads, C head dimension; M queries and N keys of a
 * tile. Queries are [B, T, H, C], scaled and divided by the soft cap; keys and values [B, S, K, C]; bfloat16.
 */
import type { AttentionRule, AttentionSizes } from '../../../program/attention';
import { KernelEmitter, shapeOf, type Element, type Val } from './kernel-emitter';

/** What the kernels of one attention have in common. */
export type AttentionKernel = AttentionSizes & AttentionRule;

/** Tiles and warps of a kernel. */
export interface Tiling {
  readonly queries: number;
  readonly keys: number;
  readonly warps: number;
  readonly stages: number;
}

/** A kernel's text, and how it is started. */
export interface Kernel {
  readonly name: string;
  readonly text: string;
  readonly grid: readonly [x: number, y: number];
  readonly warps: number;
  readonly stages: number;
}

const LOG2_E = Math.LOG2E;
/** Stands for a masked score under a cap, as in the model: a row without a visible key becomes uniform. */
const LEAST_CAPPED = -75 * LOG2_E;
/** The same without a cap; not infinite, so that differences of two of them are numbers. */
const LEAST = -1e30;

const divideUp = (a: number, b: number): number => Math.ceil(a / b);

/** What every kernel computes for a tile: where it is, and which keys its queries see. */
class Tiles {
  private readonly zero: Val;

  constructor(
    readonly to: KernelEmitter,
    readonly spec: AttentionKernel,
    readonly tiling: Tiling,
    private readonly pointers: Record<string, Val>,
  ) {
    this.zero = to.int(0);
  }

  /** Batch and head of the second axis of the grid, over `heads`. */
  batchAndHead(heads: number): [batch: Val, head: Val] {
    const { to } = this;
    const [both, count] = [to.programId('y'), to.int(heads)];
    return [to.divide(both, count), to.remainder(both, count)];
  }

  /** Positions of a tile: i32 [size]. */
  positions(first: Val, size: number): Val {
    return this.to.add(first, this.to.range(size));
  }

  /** Pointers [size, C] to rows of [B, length, heads, C]. */
  rows(name: string, at: Rows): Val {
    const { to } = this;
    const { headDim } = this.spec;
    const { batch, head, positions, length, heads } = at;
    const size = this.sizeOf(positions);
    const first = to.add(to.multiply(batch, to.int(length * heads * headDim)), to.multiply(head, to.int(headDim)));
    const ofRows = to.add(first, to.multiply(positions, to.int(heads * headDim)));
    const shape = [size, headDim];
    const offsets = to.add(to.spread(ofRows, 1, shape), to.spread(to.range(headDim), 0, shape));
    return to.at(this.pointers[name], offsets);
  }

  private sizeOf(positions: Val): number {
    return shapeOf(positions)[0];
  }

  /** Pointers [size] to numbers of [outer, length]. */
  numbers(name: string, outer: Val, positions: Val, length: number): Val {
    const { to } = this;
    return to.at(this.pointers[name], to.add(to.multiply(outer, to.int(length)), positions));
  }

  /** i1 [size] of positions before the end; undefined if tiles fit. */
  inside(positions: Val, length: number): Val | undefined {
    return length % this.sizeOf(positions) === 0 ? undefined : this.to.compare('slt', positions, this.to.int(length));
  }

  /** Rows of a tile [size, C]; zeros beyond the end. */
  loadRows(pointers: Val, positions: Val, length: number): Val {
    const { to } = this;
    const inside = this.inside(positions, length);
    if (!inside) return to.load(pointers);
    const shape = [this.sizeOf(positions), this.spec.headDim];
    return to.load(pointers, to.spread(inside, 1, shape), to.fill(shape, 0, 'bf16'));
  }

  loadNumbers(pointers: Val, positions: Val, length: number, element: Element): Val {
    const { to } = this;
    const inside = this.inside(positions, length);
    return inside ? to.load(pointers, inside, to.fill([this.sizeOf(positions)], 0, element)) : to.load(pointers);
  }

  storeRows(pointers: Val, values: Val, positions: Val, length: number): void {
    const { to } = this;
    const inside = this.inside(positions, length);
    to.store(pointers, to.narrow(values), inside && to.spread(inside, 1, [this.sizeOf(positions), this.spec.headDim]));
  }

  /** From where to where a loop over keys (or queries) goes, for a tile that begins at `first`. */
  range(first: Val, size: number, over: { before?: number; after?: number; length: number; step: number }): [Val, Val] {
    const { to } = this;
    const { before = Infinity, after = Infinity, length, step } = over;
    let from = this.zero;
    if (before < length) {
      const earliest = to.largest(to.subtract(first, to.int(before)), this.zero);
      from = to.multiply(to.divide(earliest, to.int(step)), to.int(step));
    }
    const end = to.int(length);
    return [from, after < length ? to.least(to.add(first, to.int(size + after)), end) : end];
  }

  /**
   * i1: which keys are seen; undefined: all. `queryAxis`: the axis of the queries in the tile.
   */
  seen(at: {
    queries: Val;
    keys: Val;
    ofQueries?: Val;
    ofKeys?: Val;
    queryAxis: 0 | 1;
    shape: number[];
  }): Val | undefined {
    const { to, spec } = this;
    const { queryAxis, shape } = at;
    const alongQueries = (value: Val): Val => to.spread(value, queryAxis === 0 ? 1 : 0, shape);
    const alongKeys = (value: Val): Val => to.spread(value, queryAxis === 0 ? 0 : 1, shape);
    const all: Val[] = [];
    const { ahead = Infinity, behind = Infinity } = spec;
    const isLimited = [ahead < spec.keys, behind < spec.queries || behind < spec.keys];
    if (isLimited[0] || isLimited[1]) {
      const distance = to.subtract(alongQueries(at.queries), alongKeys(at.keys));
      if (isLimited[0]) all.push(to.compare('sge', distance, to.int(-ahead)));
      if (isLimited[1]) all.push(to.compare('sle', distance, to.int(behind)));
    }
    const inside = this.inside(at.keys, spec.keys);
    if (inside) all.push(alongKeys(inside));
    if (at.ofKeys && at.ofQueries) all.push(to.compare('eq', alongQueries(at.ofQueries), alongKeys(at.ofKeys)));
    else if (at.ofKeys) all.push(alongKeys(to.compare('ne', at.ofKeys, to.int(0))));
    return all.length === 0 ? undefined : all.reduce((a, b) => to.both(a, b));
  }

  /** Scores as exponents of 2, and the tanh behind them. */
  exponents(products: Val, seen: Val | undefined, shape: readonly number[]): { exponents: Val; tanh?: Val } {
    const { to } = this;
    const { cap } = this.spec;
    const tanh = cap === undefined ? undefined : to.tanh(products);
    const plain = to.multiply(tanh ?? products, to.fill(shape, (cap ?? 1) * LOG2_E));
    const least = cap === undefined ? LEAST : LEAST_CAPPED;
    return { exponents: seen ? to.select(seen, plain, to.fill(shape, least)) : plain, tanh };
  }

  /** The tile of queries of this program: where it is, its head's keys, and its queries [M, C]. */
  queryTile(): QueryTile {
    const { to, spec, tiling } = this;
    const { queries, heads, keyValueHeads } = spec;
    const first = to.multiply(to.programId('x'), to.int(tiling.queries));
    const [batch, head] = this.batchAndHead(heads);
    const keyHead = heads === keyValueHeads ? head : to.divide(head, to.int(heads / keyValueHeads));
    const at = this.positions(first, tiling.queries);
    const own = { batch, head, positions: at, length: queries, heads };
    const q = this.loadRows(this.rows('q', own), at, queries);
    return { first, batch, keyHead, at, own, q, ofQueries: this.queryNumbers(batch, at) };
  }

  /** Numbers of queries [M], if keys are seen by them. */
  queryNumbers(batch: Val, at: Val): Val | undefined {
    const { queries, sees } = this.spec;
    if (sees !== 'equal') return undefined;
    return this.loadNumbers(this.numbers('of_queries', batch, at, queries), at, queries, 'i32');
  }

  /** Numbers of keys [N], if there are any. */
  keyNumbers(batch: Val, at: Val): Val | undefined {
    const { keys, sees } = this.spec;
    if (sees === 'all') return undefined;
    return this.loadNumbers(this.numbers('of_keys', batch, at, keys), at, keys, 'i32');
  }

  /** A tile of keys from `first` on, as a tile of queries meets it: keys and values [N, C], and which are seen [M, N]. */
  keyTile({ batch, keyHead, at, ofQueries }: QueryTile, first: Val): { k: Val; v: () => Val; seen: Val | undefined } {
    const { keys, keyValueHeads } = this.spec;
    const { queries: M, keys: N } = this.tiling;
    const there = this.positions(first, N);
    const theirs = { batch, head: keyHead, positions: there, length: keys, heads: keyValueHeads };
    const k = this.loadRows(this.rows('k', theirs), there, keys);
    const ofKeys = this.keyNumbers(batch, there);
    const seen = this.seen({ queries: at, keys: there, ofQueries, ofKeys, queryAxis: 0, shape: [M, N] });
    return { k, v: () => this.loadRows(this.rows('v', theirs), there, keys), seen };
  }
}

interface Rows {
  readonly batch: Val;
  readonly head: Val;
  /** i32 [size] */
  readonly positions: Val;
  readonly length: number;
  readonly heads: number;
}

/** What a program that owns a tile of queries begins with. */
interface QueryTile {
  readonly first: Val;
  readonly batch: Val;
  readonly keyHead: Val;
  readonly at: Val;
  readonly own: Rows;
  /** [M, C] */
  readonly q: Val;
  readonly ofQueries: Val | undefined;
}

const argumentsOf = (
  { sees }: AttentionKernel,
  inputs: readonly (readonly [string, Element])[],
  outputs: readonly (readonly [string, Element])[],
): (readonly [string, Element])[] => [
  ...inputs,
  ...(sees === 'all' ? [] : [['of_keys', 'i32'] as const]),
  ...(sees === 'equal' ? [['of_queries', 'i32'] as const] : []),
  ...outputs,
];

/** Attention of all queries: y [B, T, H, C] in bfloat16, and log2 of the softmax's sums, float32 [B, H, T]. */
export function forwardKernel(spec: AttentionKernel, tiling: Tiling): Kernel {
  const { batch, queries, keys, heads, headDim, cap } = spec;
  const name = 'graft_attention';
  const args = argumentsOf(
    spec,
    [
      ['q', 'bf16'],
      ['k', 'bf16'],
      ['v', 'bf16'],
    ],
    [
      ['y', 'bf16'],
      ['logs', 'f32'],
    ],
  );
  const text = KernelEmitter.module(name, args, (to, pointers) => {
    const tiles = new Tiles(to, spec, tiling, pointers);
    const [M, N] = [tiling.queries, tiling.keys];
    const tile = tiles.queryTile();
    const { first, at, own, q } = tile;
    const [from, end] = tiles.range(first, M, { before: spec.behind, after: spec.ahead, length: keys, step: N });
    const start = [to.fill([M, headDim], 0), to.fill([M], 0), ...(cap === undefined ? [to.fill([M], LEAST)] : [])];
    const [sum, total, peak] = to.loop(from, end, N, start, (key, [y, sums, before]) => {
      const { k, v, seen } = tiles.keyTile(tile, key);
      const products = to.dot(q, to.transpose(k), to.fill([M, N], 0)); // [M, N]
      const { exponents } = tiles.exponents(products, seen, [M, N]);
      const values = v();
      if (cap !== undefined) {
        // Bounded scores need no search for the largest.
        const e = to.exp2(exponents);
        return [to.dot(to.narrow(e), values, y), to.add(sums, to.rowSums(e))];
      }
      const largest = to.largest(before, to.rowMaxima(exponents)); // [M]
      const shrink = to.exp2(to.subtract(before, largest));
      const e = to.exp2(to.subtract(exponents, to.spread(largest, 1, [M, N])));
      const scaled = to.multiply(y, to.spread(shrink, 1, [M, headDim]));
      return [to.dot(to.narrow(e), values, scaled), to.add(to.multiply(sums, shrink), to.rowSums(e)), largest];
    });
    tiles.storeRows(tiles.rows('y', own), to.divide(sum, to.spread(total, 1, [M, headDim])), at, queries);
    const outer = to.programId('y');
    const logs = peak ? to.add(to.log2(total), peak) : to.log2(total);
    to.store(tiles.numbers('logs', outer, at, queries), logs, tiles.inside(at, queries));
  });
  return { name, text, grid: [divideUp(queries, tiling.queries), batch * heads], ...tiling };
}

const OF_GRADIENTS: readonly (readonly [string, Element])[] = [
  ['q', 'bf16'],
  ['k', 'bf16'],
  ['v', 'bf16'],
  ['dy', 'bf16'],
  ['logs', 'f32'],
  ['deltas', 'f32'],
];

/** The gradient of the queries, bfloat16 [B, T, H, C]; `deltas`: sums of dy * y over C, float32 [B, H, T]. */
export function queryGradientKernel(spec: AttentionKernel, tiling: Tiling): Kernel {
  const { batch, queries, keys, heads, headDim, cap } = spec;
  const name = 'graft_attention_dq';
  const text = KernelEmitter.module(name, argumentsOf(spec, OF_GRADIENTS, [['dq', 'bf16']]), (to, pointers) => {
    const tiles = new Tiles(to, spec, tiling, pointers);
    const [M, N] = [tiling.queries, tiling.keys];
    const tile = tiles.queryTile();
    const { first, at, own, q } = tile;
    const dy = tiles.loadRows(tiles.rows('dy', own), at, queries); // [M, C]
    const outer = to.programId('y');
    const logs = tiles.loadNumbers(tiles.numbers('logs', outer, at, queries), at, queries, 'f32');
    const deltas = tiles.loadNumbers(tiles.numbers('deltas', outer, at, queries), at, queries, 'f32');
    const [from, end] = tiles.range(first, M, { before: spec.behind, after: spec.ahead, length: keys, step: N });
    const shape = [M, N];
    const [dq] = to.loop(from, end, N, [to.fill([M, headDim], 0)], (key, [sum]) => {
      const { k, v, seen } = tiles.keyTile(tile, key);
      const products = to.dot(q, to.transpose(k), to.fill(shape, 0)); // [M, N]
      const { exponents, tanh } = tiles.exponents(products, seen, shape);
      const p = to.exp2(to.subtract(exponents, to.spread(logs, 1, shape)));
      const dp = to.dot(dy, to.transpose(v()), to.fill(shape, 0)); // [M, N]
      const ds = scoreGradient(to, { p, dp, deltas: to.spread(deltas, 1, shape), tanh, shape });
      return [to.dot(to.narrow(ds), k, sum)];
    });
    const scaled = cap === undefined ? dq : to.multiply(dq, to.fill([M, headDim], cap));
    tiles.storeRows(tiles.rows('dq', own), scaled, at, queries);
  });
  return { name, text, grid: [divideUp(queries, tiling.queries), batch * heads], ...tiling };
}

/** The gradients of keys and values, bfloat16 [B, S, K, C] each. */
export function keyGradientKernel(spec: AttentionKernel, tiling: Tiling): Kernel {
  const { batch, queries, keys, heads, keyValueHeads, headDim, cap } = spec;
  const name = 'graft_attention_dkv';
  const outputs = [['dk', 'bf16'] as const, ['dv', 'bf16'] as const];
  const text = KernelEmitter.module(name, argumentsOf(spec, OF_GRADIENTS, outputs), (to, pointers) => {
    const tiles = new Tiles(to, spec, tiling, pointers);
    const [M, N] = [tiling.queries, tiling.keys];
    const first = to.multiply(to.programId('x'), to.int(N));
    const [b, keyHead] = tiles.batchAndHead(keyValueHeads);
    const at = tiles.positions(first, N);
    const own = { batch: b, head: keyHead, positions: at, length: keys, heads: keyValueHeads };
    const k = tiles.loadRows(tiles.rows('k', own), at, keys); // [N, C]
    const v = tiles.loadRows(tiles.rows('v', own), at, keys); // [N, C]
    const ofKeys = tiles.keyNumbers(b, at);
    const [from, end] = tiles.range(first, N, { before: spec.ahead, after: spec.behind, length: queries, step: M });
    const shape = [N, M];
    const group = heads / keyValueHeads;
    const ofHead = (h: Val, start: readonly Val[]): Val[] =>
      to.loop(from, end, M, start, (query, [dk, dv]) => {
        const there = tiles.positions(query, M);
        const theirs = { batch: b, head: h, positions: there, length: queries, heads };
        const q = tiles.loadRows(tiles.rows('q', theirs), there, queries); // [M, C]
        const dy = tiles.loadRows(tiles.rows('dy', theirs), there, queries); // [M, C]
        const outer = to.add(to.multiply(b, to.int(heads)), h);
        const logs = tiles.loadNumbers(tiles.numbers('logs', outer, there, queries), there, queries, 'f32');
        const deltas = tiles.loadNumbers(tiles.numbers('deltas', outer, there, queries), there, queries, 'f32');
        const ofQueries = tiles.queryNumbers(b, there);
        const products = to.dot(k, to.transpose(q), to.fill(shape, 0)); // [N, M]
        const seen = tiles.seen({ queries: there, keys: at, ofQueries, ofKeys, queryAxis: 1, shape });
        const { exponents, tanh } = tiles.exponents(products, seen, shape);
        // Queries beyond the end have zeros in dy, and so in all products with it.
        const p = to.exp2(to.subtract(exponents, to.spread(logs, 0, shape)));
        const nextDv = to.dot(to.narrow(p), dy, dv);
        const dp = to.dot(v, to.transpose(dy), to.fill(shape, 0)); // [N, M]
        const ds = scoreGradient(to, { p, dp, deltas: to.spread(deltas, 0, shape), tanh, shape });
        return [to.dot(to.narrow(ds), q, dk), nextDv];
      });
    const zeros = [to.fill([N, headDim], 0), to.fill([N, headDim], 0)];
    const [dk, dv] =
      group === 1
        ? ofHead(keyHead, zeros)
        : to.loop(to.int(0), to.int(group), 1, zeros, (member, carried) =>
            ofHead(to.add(to.multiply(keyHead, to.int(group)), member), carried),
          );
    const scaled = cap === undefined ? dk : to.multiply(dk, to.fill([N, headDim], cap));
    tiles.storeRows(tiles.rows('dk', own), scaled, at, keys);
    tiles.storeRows(tiles.rows('dv', own), dv, at, keys);
  });
  return { name, text, grid: [divideUp(keys, tiling.keys), batch * keyValueHeads], ...tiling };
}

/** p (dp - delta), times the slope of tanh; the cap's factor is left to the sums. */
function scoreGradient(
  to: KernelEmitter,
  { p, dp, deltas, tanh, shape }: { p: Val; dp: Val; deltas: Val; tanh?: Val; shape: readonly number[] },
): Val {
  const plain = to.multiply(p, to.subtract(dp, deltas));
  return tanh ? to.multiply(plain, to.subtract(to.fill(shape, 1), to.multiply(tanh, tanh))) : plain;
}
