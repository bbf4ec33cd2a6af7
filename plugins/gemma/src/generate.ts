import { DataError, type BatchTensors, type HostArray, type HostFields, type Parameters } from '@graft/core';
import { tf, type Engine, type Jitted } from '@graft/engine';
import { continueDecoding, startDecoding, type Cache, type DecodingStart, type FixedState } from './decoding';
import { checkTokenIds } from './host-fields';
import type { GemmaModel } from './model';

export interface GenerateOptions {
  /**
   * int32 [B, S]. Encoder-decoder: `input_ids`, `attention_mask` (default: all ones), and optionally
   * `decoder_input_ids` with `decoder_attention_mask` as a prompt (default: the start token).
   * Decoder-only: `input_ids` and `attention_mask` are the prompt, padded on either side.
   */
  readonly fields: HostFields;
  /** Tokens after the prompt, at most. */
  readonly maxNewTokens: number;
  /** A row ends with any of these. Default: the model's. An empty list: rows never end early. */
  readonly eos?: number | readonly number[];
  /** Called after every token. Rows that have ended get the pad token. */
  readonly onToken?: (event: TokenEvent) => void;
  /** Aborting it ends the generation with what there is. */
  readonly signal?: AbortSignal;
}

export interface TokenEvent {
  /** From 0. */
  readonly index: number;
  /** The new token of each row. */
  readonly tokens: Int32Array;
  /** Rows that had ended before this token. */
  readonly ended: readonly boolean[];
}

interface Started {
  readonly fixed: FixedState;
  readonly cache: Cache;
  readonly next: tf.Tensor1D;
}

interface Continued {
  readonly cache: Cache;
  readonly next: tf.Tensor1D;
}

const greedy = (logits: tf.Tensor2D): tf.Tensor1D => tf.argMax(logits, 1).toInt() as tf.Tensor1D;

/**
 * Generates with one model on one engine; keeps its compiled functions, one pair a shape, for the next call. `dispose`
 * frees them.
 */
export class Generator {
  private readonly start: Jitted<[Parameters, BatchTensors, BatchTensors | undefined, number], Started>;
  private readonly step: Jitted<[Parameters, tf.Tensor1D, tf.Scalar, FixedState, Cache], Continued>;

  constructor(
    engine: Engine,
    private readonly model: GemmaModel,
  ) {
    this.start = engine.jit(
      (parameters: Parameters, prompt: BatchTensors, source: BatchTensors | undefined, capacity: number): Started => {
        const { logits, fixed, cache }: DecodingStart = startDecoding(
          model,
          parameters,
          prompt.ids,
          prompt.mask,
          source,
          capacity,
        );
        return { fixed, cache, next: greedy(logits) };
      },
      { name: 'startDecoding' },
    );
    this.step = engine.jit(
      (
        parameters: Parameters,
        tokens: tf.Tensor1D,
        position: tf.Scalar,
        fixed: FixedState,
        cache: Cache,
      ): Continued => {
        const continued = continueDecoding(model, parameters, tokens, position, fixed, cache);
        return { cache: continued.cache, next: greedy(continued.logits) };
      },
      { name: 'decodeToken' },
    );
  }

  /**
   * Greedy decoding. Returns one row for each example, all as wide as the longest: the prompt (the start token, or what
   * was given, without its padding), the new tokens up to and with eos, then the pad token.
   */
  async generate(parameters: Parameters, options: GenerateOptions): Promise<Int32Array[]> {
    const { model } = this;
    const { maxNewTokens, onToken, signal } = options;
    if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 1) {
      throw new DataError(`maxNewTokens should be an integer of at least 1, but is ${maxNewTokens}.`, {
        code: 'gemma.max-new-tokens',
        exitCode: 2,
      });
    }
    const eos = new Set(options.eos === undefined ? model.specialTokens.eos : [options.eos].flat());
    const { prompt, source } = promptAndSource(model, options.fields);
    const { pad } = model.specialTokens;
    const rows = promptRows(prompt);
    const ended = rows.map(() => false);
    const length = prompt.ids.shape[1];
    const take = (next: Int32Array, index: number): void => {
      const before = [...ended];
      const tokens = next.map((token, row) => (ended[row] ? pad : token));
      tokens.forEach((token, row) => {
        if (ended[row]) return;
        rows[row].push(token);
        ended[row] = eos.has(token);
      });
      onToken?.({ index, tokens, ended: before });
    };
    const inputs = { prompt: upload(prompt), source: source && upload(source) };
    let fixed: FixedState = {};
    let cache: Cache = {};
    try {
      const started = await this.start.async(parameters, inputs.prompt, inputs.source, length + maxNewTokens - 1);
      ({ fixed, cache } = started);
      take(await readAndDispose(started.next), 0);
      for (let index = 1; index < maxNewTokens && ended.includes(false) && !signal?.aborted; index++) {
        const tokens = tf.tensor1d(
          Int32Array.from(rows, (row, i) => (ended[i] ? pad : row[row.length - 1])),
          'int32',
        );
        const position = tf.scalar(length + index - 1, 'int32');
        const continued = await this.step.async(parameters, tokens, position, fixed, cache);
        tf.dispose([tokens, position, cache] as tf.TensorContainer);
        cache = continued.cache;
        take(await readAndDispose(continued.next), index);
      }
    } finally {
      tf.dispose([inputs, fixed, cache] as tf.TensorContainer);
    }
    const width = Math.max(...rows.map((row) => row.length));
    return rows.map((row) => Int32Array.from({ length: width }, (_, i) => row[i] ?? pad));
  }

  dispose(): void {
    this.start.dispose();
    this.step.dispose();
  }
}

/** Greedy decoding with a key/value cache; see Generator, which serves repeated calls without compiling again. */
export async function generate(
  engine: Engine,
  model: GemmaModel,
  parameters: Parameters,
  options: GenerateOptions,
): Promise<Int32Array[]> {
  const generator = new Generator(engine, model);
  try {
    return await generator.generate(parameters, options);
  } finally {
    generator.dispose();
  }
}

async function readAndDispose(tensor: tf.Tensor1D): Promise<Int32Array> {
  const values = (await tensor.data()) as Int32Array;
  tensor.dispose();
  return values;
}

function upload(fields: HostFields | Prompt): Record<string, tf.Tensor> {
  const entries = Object.entries(fields).filter((entry): entry is [string, HostArray] => entry[1] !== undefined);
  return Object.fromEntries(entries.map(([name, { values, shape }]) => [name, tf.tensor(values, [...shape], 'int32')]));
}

interface Prompt {
  readonly ids: HostArray;
  readonly mask?: HostArray;
}

function promptAndSource(model: GemmaModel, fields: HostFields): { prompt: Prompt; source?: HostFields } {
  const where = 'The inputs of generate';
  checkTokenIds(fields, 'input_ids', 'attention_mask', model, where);
  const { input_ids: ids, attention_mask: mask } = fields;
  if (model.kind === 'decoder-only') return { prompt: alignRight({ ids, mask }, model.specialTokens.pad) };
  const source: HostFields = mask ? { input_ids: ids, attention_mask: mask } : { input_ids: ids };
  if (fields.decoder_input_ids) {
    checkTokenIds(fields, 'decoder_input_ids', 'decoder_attention_mask', model, where);
    return {
      prompt: alignRight(
        { ids: fields.decoder_input_ids, mask: fields.decoder_attention_mask },
        model.specialTokens.pad,
      ),
      source,
    };
  }
  const batch = ids.shape[0];
  const start = {
    dtype: 'int32' as const,
    shape: [batch, 1],
    values: new Int32Array(batch).fill(model.specialTokens.start),
  };
  return { prompt: { ids: start }, source };
}

/** Moves every row's padding to its left, so that all rows go on at the same position (quirk 9: positions count from 0 all the same). */
function alignRight({ ids, mask }: Prompt, pad: number): Prompt {
  if (!mask || mask.values.every((seen) => seen !== 0)) return { ids };
  const [batch, length] = ids.shape;
  const values = new Int32Array(batch * length).fill(pad);
  const aligned = new Int32Array(batch * length);
  for (let row = 0; row < batch; row++) {
    let to = (row + 1) * length;
    for (let i = (row + 1) * length - 1; i >= row * length; i--) {
      if (mask.values[i] === 0) continue;
      to--;
      values[to] = ids.values[i];
      aligned[to] = 1;
    }
    if (to === (row + 1) * length)
      throw new DataError(`The prompt of row ${row} is padding alone.`, { code: 'gemma.empty-prompt' });
  }
  return {
    ids: { dtype: 'int32', shape: ids.shape, values },
    mask: { dtype: 'int32', shape: ids.shape, values: aligned },
  };
}

/** The prompts' own tokens. */
function promptRows({ ids, mask }: Prompt): number[][] {
  const [batch, length] = ids.shape;
  return Array.from({ length: batch }, (_, row) => {
    const tokens: number[] = [];
    for (let i = row * length; i < (row + 1) * length; i++)
      if (!mask || mask.values[i] !== 0) tokens.push(ids.values[i]);
    return tokens;
  });
}
