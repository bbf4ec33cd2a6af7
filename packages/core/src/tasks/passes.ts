/**
 * What the model has to read to score continuations: each text once, in batches of similar lengths. Shapes: R rows of
 * the decoder, or of a decoder-only model; T tokens of a row; S tokens of a source; Q tokens to score.
 */
import type { HostArray, HostFields, Model } from '../interfaces';
import type { EncodedRequest } from './encode-request';

/** One sequence, and the tokens whose probability it gives. */
interface Pass {
  /** What the encoder reads; undefined for a decoder-only model. */
  readonly source?: Int32Array;
  readonly sourceKey: string;
  readonly input: Int32Array;
  /** For each request, where its continuation is predicted: the position of the state in front of its first token. */
  readonly requests: { readonly request: number; readonly from: number }[];
}

/** A batch of sequences on the host. */
export interface ScoreBatch {
  /** `input_ids`, `attention_mask`, and with an encoder `decoder_input_ids`, `decoder_attention_mask`. */
  readonly fields: HostFields;
  /** int32 [R]: the source that each row of the decoder reads. Undefined without an encoder. */
  readonly sourceRows?: HostArray;
  /** int32 [Q]: the state that predicts a token, among the R * T; the tail is padding. */
  readonly stateRows: HostArray;
  /** int32 [Q]: the token. */
  readonly tokens: HostArray;
  /** The request of each token, without the padding. */
  readonly owners: readonly number[];
}

/** Lengths between which a sequence is padded, so that few shapes are compiled: 32, 48, 64, 96, 128, 192, ... */
export function paddedLength(tokens: number): number {
  let length = 32;
  while (length < tokens) length = length % 3 === 0 ? (length / 3) * 4 : (length / 2) * 3;
  return length;
}

/** Tokens to score are padded to a multiple of this many, which are also scored together. */
export const SCORED_TOGETHER = 64;

/** How much a model reads together. */
export interface BatchLimits {
  /** Sequences, at most. */
  readonly batchSize: number;
  /** Tokens of all sequences with their padding, at most; a longer sequence is read by itself. */
  readonly batchTokens: number;
}

/** How many sequences of that many tokens are read together. */
export const rowsTogether = ({ batchSize, batchTokens }: BatchLimits, tokens: number): number =>
  Math.max(1, Math.min(batchSize, Math.floor(batchTokens / paddedLength(tokens))));

/**
 * The batches that answer all requests, longest first: what does not fit into memory fails at once. A source stands
 * once in a batch, and a sequence once for all continuations that differ only in their last token.
 */
export function batchesOf(model: Model, requests: readonly EncodedRequest[], limits: BatchLimits): ScoreBatch[] {
  const passes = passesOf(model, requests);
  const batches: { readonly passes: Pass[]; readonly rows: number }[] = [];
  for (const group of groupsOf(passes)) {
    const last = batches.at(-1);
    // A source that does not fit into the rest of a batch begins a new one, rather than being read twice.
    if (last && last.passes.length + group.length <= last.rows) last.passes.push(...group);
    else {
      // The first group is the longest of its batch.
      const rows = rowsTogether(limits, lengthOf(group));
      for (let at = 0; at < group.length; at += rows) batches.push({ passes: group.slice(at, at + rows), rows });
    }
  }
  return batches.map(({ passes: own, rows }) => collate(model, own, requests, rows));
}

function passesOf(model: Model, requests: readonly EncodedRequest[]): Pass[] {
  const known = new Map<string, Pass>();
  for (const [request, { context, continuation }] of requests.entries()) {
    const hasSource = model.kind === 'encoder-decoder';
    const read = continuation.subarray(0, -1);
    const before = hasSource ? Int32Array.of(model.specialTokens.start) : context;
    const input = new Int32Array(before.length + read.length);
    input.set(before);
    input.set(read, before.length);
    const sourceKey = hasSource ? context.join() : '';
    const key = `${sourceKey}|${input.join()}`;
    let pass = known.get(key);
    if (!pass) known.set(key, (pass = { source: hasSource ? context : undefined, sourceKey, input, requests: [] }));
    pass.requests.push({ request, from: before.length - 1 });
  }
  return [...known.values()];
}

/** Passes with the same source together, the longest first; without a source each is by itself. */
function groupsOf(passes: readonly Pass[]): Pass[][] {
  const groups = new Map<string | Pass, Pass[]>();
  for (const pass of passes) {
    const key = pass.source ? pass.sourceKey : pass;
    groups.set(key, [...(groups.get(key) ?? []), pass]);
  }
  return [...groups.values()].sort((a, b) => lengthOf(b) - lengthOf(a));
}

/** Tokens of the source and of the longest sequence of a group. */
function lengthOf([first, ...others]: readonly Pass[]): number {
  return (first.source?.length ?? 0) + Math.max(first.input.length, ...others.map(({ input }) => input.length));
}

function collate(
  model: Model,
  batch: readonly Pass[],
  requests: readonly EncodedRequest[],
  mostRows: number,
): ScoreBatch {
  const sources = new Map<string, { readonly row: number; readonly ids: Int32Array }>();
  for (const { source, sourceKey } of batch)
    if (source && !sources.has(sourceKey)) sources.set(sourceKey, { row: sources.size, ids: source });
  const inputs = padRows(
    batch.map(({ input }) => input),
    mostRows,
    model.specialTokens.pad,
  );
  const length = inputs.ids.shape[1];
  const stateRows: number[] = [];
  const tokens: number[] = [];
  const owners: number[] = [];
  for (const [row, { requests: own }] of batch.entries()) {
    for (const { request, from } of own) {
      for (const [i, token] of requests[request].continuation.entries()) {
        stateRows.push(row * length + from + i);
        tokens.push(token);
        owners.push(request);
      }
    }
  }
  const scored = Math.ceil(tokens.length / SCORED_TOGETHER) * SCORED_TOGETHER;
  const list = (values: readonly number[], size: number): HostArray => {
    const padded = new Int32Array(size);
    padded.set(values);
    return { dtype: 'int32', shape: [size], values: padded };
  };
  const lists = { stateRows: list(stateRows, scored), tokens: list(tokens, scored), owners };
  if (sources.size === 0) return { fields: { input_ids: inputs.ids, attention_mask: inputs.mask }, ...lists };
  const { pad } = (model.encoderTokens ?? model).specialTokens;
  const read = padRows(
    [...sources.values()].map(({ ids }) => ids),
    mostRows,
    pad,
  );
  const rowOf = batch.map(({ sourceKey }) => sources.get(sourceKey)!.row);
  return {
    fields: {
      input_ids: read.ids,
      attention_mask: read.mask,
      decoder_input_ids: inputs.ids,
      decoder_attention_mask: inputs.mask,
    },
    sourceRows: list(rowOf, inputs.ids.shape[0]),
    ...lists,
  };
}

/**
 * Rows padded on the right to one of the common lengths, and to a power of two of rows, if that is at most `mostRows`: the
 * first one is repeated.
 */
export function padRows(
  rows: readonly Int32Array[],
  mostRows: number,
  pad: number,
): { readonly ids: HostArray; readonly mask: HostArray } {
  let count = 1;
  while (count < rows.length) count *= 2;
  count = Math.max(rows.length, Math.min(count, mostRows));
  const length = paddedLength(rows.reduce((longest, row) => Math.max(longest, row.length), 0));
  const ids = new Int32Array(count * length).fill(pad);
  const mask = new Int32Array(count * length);
  for (let i = 0; i < count; i++) {
    const row = rows[i] ?? rows[0];
    ids.set(row, i * length);
    mask.fill(1, i * length, i * length + row.length);
  }
  const shape = [count, length];
  return { ids: { dtype: 'int32', shape, values: ids }, mask: { dtype: 'int32', shape, values: mask } };
}
