import {
  CheckpointError,
  CheckpointReader,
  configDtypeName,
  parseFloatDtype,
  readTokenizerFiles,
  readTokenizerRecord,
  recordFile,
  TOKENIZER_SECTION,
} from '@graft/checkpoint';
import { sourceBytes, writeCheckpointResumably } from '@graft/checkpoint/internal';
import { checkTensors, countParameters } from '@graft/core';
import { resolve } from 'node:path';
import { encoderOf, readModelConfig, toCheckpointConfig } from '../model/config';
import type { EncoderDecoderConfig, GemmaOptions } from '../model/config-types';
import { gemmaOf } from '../model/encoder-model';
import { storedName } from '../load/declared-tensors';
import { parameterSpecs } from '../model/parameters';
import {
  checkFreeSpace,
  commonDtype,
  CONCURRENCY,
  converted,
  fingerprint,
  reporting,
  type StreamProgress,
} from './stream-checkpoint';

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
}

/**
 * Writes the encoder of an encoder-decoder as a folder of its own, which the published implementation's
 * T5GemmaEncoderModel reads too. Streams: at most a few chunks of tensors are in memory; bytes are copied unchanged if
 * dtypes agree. The folder appears complete or not at all. The tokenizer's files are copied, and config.json has the
 * encoder's window and direction.
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
    const tensors = specs.map(({ name, shape }) => ({
      // The published encoder alone has these names (quirk 21).
      name: name.replace(/^model\./, ''),
      dtype,
      shape,
      data: () => converted(reader, storedName(name, reader, model.config), dtype),
    }));
    const bytes = tensors.reduce((sum, source) => sum + sourceBytes(source), 0);
    await checkFreeSpace(out, bytes);
    const exported = { encoder: resolve(request.encoder), dtype: configDtypeName(dtype) };
    const { reported, onKept } = reporting(tensors, bytes, {
      ...request,
      doing: `Exporting into ${out}`,
      interruptedCode: 'gemma.export-interrupted',
    });
    await writeCheckpointResumably(
      out,
      {
        config: toCheckpointConfig(config, configDtypeName(dtype)),
        tensors: reported,
        maxShardBytes: request.maxShardBytes,
        extraFiles: {
          ...(await readTokenizerFiles(reader.path)),
          ...recordFile({ [TOKENIZER_SECTION]: await readTokenizerRecord(reader.path), exported }),
        },
        concurrency: CONCURRENCY,
      },
      {
        plan: {
          ...exported,
          encoderWindow: config.encoderWindow,
          encoderAttention: config.encoderAttention ?? 'bidirectional',
          maxShardBytes: request.maxShardBytes,
          sources: await fingerprint([reader]),
        },
        resume: request.resume,
        onKept,
        onWatch: request.onWatch,
      },
    );
    return {
      out,
      tensors: specs.length,
      parameters: countParameters({ parameters: specs }),
      bytes,
      dtype: configDtypeName(dtype),
    };
  } finally {
    await reader.close();
  }
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
