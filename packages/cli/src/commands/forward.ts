import type { ForwardOutput } from '@graft/core';
import type { Command } from 'commander';
import { openCommandEngine, type CommandContext } from './shared/context';
import { openModel } from '../models/open-model';
import {
  adapterOption,
  encoderAttentionOption,
  encoderWindowOption,
  deviceOption,
  engineOption,
  forceOption,
  listOf,
  pluginOption,
  type EngineCommandOptions,
  type FamilyOptions,
} from './shared/options';

interface ForwardCommandOptions extends FamilyOptions, EngineCommandOptions {
  model: string;
  inputs: string;
  output: string;
  force?: boolean;
  with?: ForwardOutput[];
}

const COMMAND = 'graft forward';

export function addForwardCommand(program: Command, context: CommandContext): void {
  program
    .command('forward')
    .description(
      'run one forward pass over a ready batch: logits, and optionally encoder states, loss and gradients; for an encoder alone its states',
    )
    .requiredOption('--model <folder>', 'checkpoint of Gemma 2, of T5Gemma, of an encoder alone, or of a --plugin')
    .requiredOption(
      '--inputs <file>',
      'safetensors file: input_ids, attention_mask, decoder_input_ids, decoder_attention_mask, labels',
    )
    .requiredOption('--output <file>', 'safetensors file to write, float32')
    .addOption(forceOption())
    .option(
      '--with <list>',
      'write these in addition to the logits; comma-separated: encoder, loss, gradients',
      listOf(['encoder', 'loss', 'gradients']),
    )
    .addOption(adapterOption())
    .addOption(pluginOption())
    .addOption(encoderWindowOption())
    .addOption(encoderAttentionOption())
    .addOption(engineOption())
    .addOption(deviceOption())
    .action(async (options: ForwardCommandOptions) => {
      const { readHostTensors, writeHostTensors } = await import('@graft/checkpoint');
      const { outputTensors, writtenBy } = await import('@graft/checkpoint/internal');
      const output = await outputTensors(options.output, COMMAND, options.force);
      const { runForward } = await import('@graft/core');
      const inputs = await readHostTensors(options.inputs);
      const engine = await openCommandEngine(context, options);
      const checkpoint = await openModel(context, options.model, engine, options, { command: COMMAND });
      const { model, parameters } = checkpoint;
      try {
        const outputs = await runForward({
          engine,
          model,
          parameters,
          inputs,
          outputs: options.with,
          where: options.inputs,
        });
        await writeHostTensors(output, outputs, writtenBy(COMMAND));
      } finally {
        checkpoint.dispose();
      }
      context.print(options.output);
    });
}
