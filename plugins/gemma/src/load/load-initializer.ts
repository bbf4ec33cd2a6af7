import { CheckpointReader } from '@graft/checkpoint';
import { withoutDigests } from '@graft/checkpoint/internal';
import {
  checkTensors,
  inject,
  injectable,
  LOGGER,
  OPTIONS,
  parseOptions,
  pathOption,
  silentLogger,
  streamParameters,
  withAdapter,
  type Initializer,
  type Logger,
  type Model,
} from '@graft/core';
import type { tf } from '@graft/engine';
import { z } from 'zod';
import { GEMMA_MODEL_TYPES, readModelConfig } from '../model/config';
import { checkDeclared } from './declared-tensors';
import { generationDefaults, readGenerationConfig } from '../generate/generation-defaults';

/** The options of the initializer `load`. */
export const loadOptions = z.strictObject({
  path: pathOption().describe(
    'Folder of a checkpoint of any loaded model family, such as Gemma 2, T5Gemma or an encoder alone.',
  ),
  adapter: pathOption()
    .optional()
    .describe("Folder of a low-rank adapter in PEFT's layout, which is merged into the parameters. Default: none."),
});

/** What a config or code may write. */
export type LoadOptions = z.input<typeof loadOptions>;
/** The same with every default filled in. */
export type ResolvedLoadOptions = z.output<typeof loadOptions>;

/** Parameters from a checkpoint folder of any family, unchanged. bfloat16 and float16 are widened to float32. */
@injectable()
export class LoadInitializer implements Initializer {
  private readonly options: ResolvedLoadOptions;

  constructor(
    @inject(OPTIONS) options: LoadOptions,
    @inject(LOGGER) private readonly logger: Logger = silentLogger(),
  ) {
    this.options = parseOptions(loadOptions, options, 'LoadInitializer');
  }

  async checkpointConfig(): Promise<Record<string, unknown>> {
    const reader = await CheckpointReader.open(this.options.path);
    try {
      const json = await reader.config();
      if (isGemma(json)) checkDeclared(readModelConfig(json, {}, `${reader.path}/config.json`), reader);
      return json;
    } finally {
      await reader.close();
    }
  }

  async generationConfig(): Promise<Record<string, unknown> | undefined> {
    const reader = await CheckpointReader.open(this.options.path);
    try {
      const json = await reader.config();
      if (!isGemma(json)) return await reader.generationConfig();
      const config = readModelConfig(json, {}, reader.path);
      // It generates no text.
      if (config.kind === 'encoder-only') return undefined;
      const found = await readGenerationConfig(reader, config);
      // Checked here, where errors can name the file.
      if (found) generationDefaults(config, found.json, found.where);
      return found?.json;
    } finally {
      await reader.close();
    }
  }

  /** Of a T5Gemma 2 the vision tower. */
  carriedFrom(): string {
    return this.options.path;
  }

  /** Throws CheckpointError if the folder does not contain the model; warns about unknown tensors. */
  async *parameters(model: Model): AsyncGenerator<readonly [string, tf.Tensor]> {
    const reader = await CheckpointReader.open(this.options.path);
    try {
      if (reader.hasDigests === false) this.logger.info(withoutDigests(this.options.path));
      const unknown = await checkTensors(model, reader);
      if (unknown.length > 0) {
        this.logger.warn(
          `${this.options.path} holds ${unknown.length} tensors that the model has no use for: ${unknown.join(', ')}.`,
        );
      }
      yield* withAdapter(this.options.adapter, model, streamParameters(model, reader));
    } finally {
      await reader.close();
    }
  }
}

/** Whether this family reads the config.json; one without a model_type is Gemma's to reject. */
const isGemma = ({ model_type: type }: Readonly<Record<string, unknown>>): boolean =>
  typeof type !== 'string' || GEMMA_MODEL_TYPES.includes(type);
