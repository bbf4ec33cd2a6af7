import type { Tokenizer } from '@graft/core';
import type { Engine } from '@graft/engine';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandContext } from '../commands/shared/context';
import { CommandLineError } from '../output/command-line-error';
import { openComponents } from './open-components';

export interface TokenizerChoice {
  readonly tokenizer?: string;
  readonly model: string;
  readonly plugin?: readonly string[];
}

/** The tokenizer of a command: `bytes`, a tokenizer.json or its folder, by default the one next to the model. */
export async function openTokenizer(
  context: CommandContext,
  { tokenizer, model, plugin }: TokenizerChoice,
  engine: Engine,
): Promise<Tokenizer> {
  if (tokenizer === undefined && !existsSync(join(model, 'tokenizer.json'))) {
    throw new CommandLineError(
      `${model} holds no tokenizer.json; name a tokenizer with --tokenizer (\`bytes\`, or a tokenizer.json).`,
    );
  }
  const { components } = await openComponents(context, plugin, engine);
  const path = tokenizer ?? model;
  return components.create('tokenizer', path === 'bytes' ? { use: 'bytes' } : { use: 'huggingface', path });
}
