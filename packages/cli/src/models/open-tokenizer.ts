import type { Tokenizer } from '@graft/core';
import type { Engine } from '@graft/engine';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openLogger, type CommandContext } from '../commands/shared/context';
import { defaultPlugins } from '../default-plugins';
import { CommandLineError } from '../output/command-line-error';

/** The tokenizer of a command: `bytes`, a tokenizer.json or its folder, by default the one next to the model. */
export async function openTokenizer(
  context: CommandContext,
  { tokenizer, model }: { readonly tokenizer?: string; readonly model: string },
  engine: Engine,
): Promise<Tokenizer> {
  const { createComponentFactory, createRandom, loadRegistry } = await import('@graft/core');
  if (tokenizer === undefined && !existsSync(join(model, 'tokenizer.json'))) {
    throw new CommandLineError(
      `${model} holds no tokenizer.json; name a tokenizer with --tokenizer (\`bytes\`, or a tokenizer.json).`,
    );
  }
  const registry = await loadRegistry(defaultPlugins, [process.cwd(), __dirname], { onCode: context.noteCode });
  const components = createComponentFactory(registry, {
    engine,
    random: createRandom(0),
    logger: await openLogger(context),
  });
  const path = tokenizer ?? model;
  return components.create('tokenizer', path === 'bytes' ? { use: 'bytes' } : { use: 'huggingface', path });
}
