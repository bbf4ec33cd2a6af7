import type { GenerateOptions, Generator, HostFields, LoadedModel, Model, Sampling } from '@graft/core';
import type { Engine, Precision } from '@graft/engine';
import { openCommandEngine, type CommandContext } from '../commands/shared/context';
import { openModel } from './open-model';
import type { EngineCommandOptions, FamilyOptions } from '../commands/shared/options';
import { CommandLineError } from '../output/command-line-error';

/** Options of commands that generate; omitted ones come from the checkpoint. */
export interface DecoderOptions extends Sampling, FamilyOptions, EngineCommandOptions {
  readonly model: string;
  readonly maxNewTokens?: number;
  readonly eos?: readonly number[];
  readonly sequences: number;
  readonly beams?: number;
  readonly lengthPenalty?: number;
  /** Whether tokens are streamed, or sequences may be stopped early. */
  readonly streams?: boolean;
  readonly precision: Precision;
}

function lacksDecoding(folder: string, { kind, decoding }: Model): string | undefined {
  if (decoding) return undefined;
  if (kind === 'encoder-only') {
    throw new CommandLineError(
      `${folder}/config.json describes an encoder alone, which has no decoder and makes no words; name an encoder-decoder or a decoder-only checkpoint.`,
    );
  }
  return `gives its ${kind} models no \`decoding\``;
}

/** A checkpoint that generates according to a command's options and its own generation_config.json. */
export class Decoder {
  private constructor(
    readonly engine: Engine,
    private readonly loaded: LoadedModel,
    private readonly generator: Generator,
    private readonly options: DecoderOptions & { readonly sampling: Sampling; readonly beams: number },
  ) {}

  /** Prints in one line the settings that come from the checkpoint. The caller disposes the decoder. */
  static async open(context: CommandContext, options: DecoderOptions): Promise<Decoder> {
    const { Generator, planDecoding } = await import('@graft/core');
    const engine = await openCommandEngine(context, options, options.precision);
    const loaded = await openModel(
      context,
      options.model,
      engine,
      { ...options, weights: options.precision },
      { command: 'graft generate', lacks: (model) => lacksDecoding(options.model, model) },
    );
    try {
      const { model } = loaded;
      const unknown = options.eos?.find((id) => id >= model.vocabularySize);
      if (unknown !== undefined)
        throw new CommandLineError(
          `--eos ${unknown}: the model's tokens are those from 0 to ${model.vocabularySize - 1}.`,
        );
      const { sample, temperature, topK, topP, repetitionPenalty, seed } = options;
      const sampling = { sample, temperature, topK, topP, repetitionPenalty, seed };
      const { beams, note } = planDecoding(model, { ...options, sampling });
      if (note) context.note(note);
      if (options.lengthPenalty !== undefined && beams === 1)
        throw new CommandLineError('--length-penalty belongs to --beams.');
      return new Decoder(engine, loaded, new Generator(engine, model), { ...options, sampling, beams });
    } catch (error) {
      loaded.dispose();
      throw error;
    }
  }

  get model(): Model {
    return this.loaded.model;
  }

  /** `eos`, `maxNewTokens`: used if the options do not set them. `seed`: replaces that of the options. */
  async sequences(
    fields: HostFields,
    {
      eos,
      maxNewTokens,
      seed,
      ...hooks
    }: Partial<Omit<GenerateOptions, 'fields' | 'sampling' | 'sequences'>> & { readonly seed?: number } = {},
  ): Promise<Int32Array[]> {
    const { generator, options } = this;
    const { parameters } = this.loaded;
    const { beams, lengthPenalty, sequences } = options;
    const sampling = { ...options.sampling, seed: seed ?? options.sampling.seed };
    const common = { fields, maxNewTokens: options.maxNewTokens ?? maxNewTokens, eos: options.eos ?? eos };
    if (beams > 1)
      return (await generator.search(parameters, { ...common, beams, lengthPenalty, signal: hooks.signal })).sequences;
    return generator.generate(parameters, { ...common, ...hooks, sequences, sampling });
  }

  dispose(): void {
    this.generator.dispose();
    this.loaded.dispose();
  }
}
