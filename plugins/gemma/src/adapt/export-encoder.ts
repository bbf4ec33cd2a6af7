import {
  CheckpointError,
  CheckpointReader,
  configDtypeName,
  fromFloat32,
  parseFloatDtype,
  readEncoderTokenizer,
  readTokenizerFiles,
  readTokenizerRecord,
  recordFile,
  TOKENIZER_SECTION,
  type StoredDtype,
} from '@graft/checkpoint';
import { checkTensors, countParameters } from '@graft/core';
import { resolve } from 'node:path';
import { encoderOf, readModelConfig, toCheckpointConfig } from '../model/config';
import type { EncoderDecoderConfig, EncoderOnlyConfig, GemmaOptions } from '../model/config-types';
import { gemmaOf, type AnyGemma } from '../model/encoder-model';
import { familyOf } from '../families';
import { storedName } from '../load/declared-tensors';
import { parameterSpecs } from '../model/parameters';
import { commonDtype, converted, writeStreamed, type StreamProgress } from './stream-checkpoint';

/** Which encoder to export, and where to. */
export interface ExportEncoderRequest extends Pick<GemmaOptions, 'encoderWindow' | 'encoderAttention'> {
  /** Folder of an encoder-decoder. */
  encoder: string;
  /** The new folder; it must not exist. */
  out: string;
  /** float32, bfloat16 or float16. Default: the source's. */
  dtype?: string;
  /** Largest file of weights, in bytes. Default 5 GB. */
  maxShardBytes?: number;
  /**
   * Continues what an interrupted call with the same request left in `<out>.unfinished`; starts from scratch if there
   * is nothing.
   */
  resume?: boolean;
  /**
   * Aborting it ends the call with a CheckpointError, code `gemma.export-interrupted`; finished files are kept for
   * `resume`.
   */
  signal?: AbortSignal;
  onProgress?: (progress: StreamProgress) => void;
  /** Called with a sentence if it takes a while to find out whether another process is still writing there. */
  onWatch?: (sentence: string) => void;
}

/** What an export has written. */
export interface ExportReport {
  readonly out: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  /** As config.json spells it. */
  readonly dtype: string;
  /** Where readers other than Graft, or a narrow dtype, make a difference: sentences. */
  readonly inexact: readonly string[];
}

/**
 * Writes the encoder of an encoder-decoder as a folder of its own, which the published implementation reads too: as
 * T5GemmaEncoderModel, or, of T5Gemma 2, as a bidirectional Gemma3TextModel. Streams: at most a few chunks of tensors
 * are in memory; bytes are copied unchanged if dtypes agree. The folder appears complete or not at all. The files of the
 * encoder's tokenizer are copied, and config.json has the encoder's window and direction.
 */
export async function exportEncoder(request: ExportEncoderRequest): Promise<ExportReport> {
  const { out } = request;
  const reader = await CheckpointReader.open(request.encoder);
  try {
    const model = gemmaOf(await encoderDecoderConfig(reader, request));
    await checkTensors(model, reader);
    const config = encoderOf(model.config as EncoderDecoderConfig);
    const dtype = request.dtype === undefined ? commonDtype([reader]) : parseFloatDtype(request.dtype);
    const specs = parameterSpecs(config);
    // The same parameters in the same order, under the names that they have in the pair.
    const sources = parameterSpecs({ ...config, family: model.config.family });
    const { endOfImageToken: special } = model.config as EncoderDecoderConfig;
    const tensors = specs.map(({ name, shape, part }, i) => {
      const from = storedName(sources[i].name, reader, model.config);
      const patch = part === 'embedding' && special !== undefined && special < shape[0];
      return {
        // The published encoder alone has these names (quirk 21).
        name: name.replace(/^model\./, ''),
        dtype,
        shape,
        data: () => (patch ? withSpecialRow(reader, from, model, special, dtype) : converted(reader, from, dtype)),
      };
    });
    const tokenizer = (await readEncoderTokenizer(reader.path)) ?? {
      files: await readTokenizerFiles(reader.path),
      record: await readTokenizerRecord(reader.path),
    };
    const exported = { encoder: resolve(request.encoder), dtype: configDtypeName(dtype) };
    const bytes = await writeStreamed(request, {
      verb: 'Exporting',
      interruptedCode: 'gemma.export-interrupted',
      config: toCheckpointConfig(config, configDtypeName(dtype)),
      tensors,
      extraFiles: {
        ...tokenizer.files,
        ...recordFile({ [TOKENIZER_SECTION]: tokenizer.record, exported }),
      },
      plan: {
        ...exported,
        encoderWindow: config.encoderWindow,
        encoderAttention: config.encoderAttention ?? 'bidirectional',
      },
      sources: [reader],
    });
    return {
      out,
      tensors: specs.length,
      parameters: countParameters({ parameters: specs }),
      bytes,
      dtype: configDtypeName(dtype),
      inexact: inexactIn(config, special, dtype),
    };
  } finally {
    await reader.close();
  }
}

/** The table with the embedding of the special token in its row, divided by what the look-up multiplies it by. */
async function* withSpecialRow(
  reader: CheckpointReader,
  table: string,
  { config }: AnyGemma,
  token: number,
  dtype: StoredDtype,
): AsyncGenerator<Uint8Array> {
  const { hidden } = (config as EncoderDecoderConfig).encoder;
  const own = await reader.readFloat32(storedName(familyOf(config).names.endOfImage!, reader, config));
  const row = fromFloat32(
    own.map((value) => value / Math.sqrt(hidden)),
    dtype,
  );
  let at = token * row.byteLength;
  for await (const piece of converted(reader, table, dtype, undefined, CHUNK_ROWS * row.byteLength)) {
    const bytes = piece as Uint8Array;
    if (at >= 0 && at < bytes.byteLength) bytes.set(row, at);
    at -= bytes.byteLength;
    yield bytes;
  }
}

/** Rows of a table that are in memory at a time. */
const CHUNK_ROWS = 256;

function inexactIn(config: EncoderOnlyConfig, special: number | undefined, dtype: StoredDtype): string[] {
  const { encoderWindow, encoder } = config;
  const half = Math.floor(encoder.slidingWindow / 2);
  const slides = encoder.layerTypes.includes('sliding_attention');
  return [
    ...(config.family === 'gemma3' && slides && encoderWindow !== 'symmetric'
      ? [
          `The format has no word for this window (${encoderWindow}, ${encoder.slidingWindow}): other readers than Graft see |i - j| <= ${half}, which differs for sources of more than ${half} tokens.`,
        ]
      : []),
    ...(special !== undefined && dtype !== 'F32'
      ? [`The embedding of token ${special} is rounded to ${configDtypeName(dtype)} once more.`]
      : []),
  ];
}

async function encoderDecoderConfig(
  reader: CheckpointReader,
  { encoderWindow, encoderAttention }: ExportEncoderRequest,
): Promise<EncoderDecoderConfig> {
  const config = readModelConfig(
    await reader.config(),
    { encoderWindow, encoderAttention },
    `${reader.path}/config.json`,
  );
  if (config.kind === 'encoder-decoder') return config;
  const alone = config.kind === 'encoder-only';
  throw new CheckpointError(
    alone
      ? `${reader.path} holds an encoder alone already.`
      : `${reader.path} is decoder-only and has no encoder to be exported.`,
    {
      code: 'gemma.export-kind',
      exitCode: 2,
      hint: alone
        ? 'Take it as it is.'
        : '`graft embed` takes it as it is; `graft adapt` makes an encoder-decoder of it, which is to be trained first.',
    },
  );
}
