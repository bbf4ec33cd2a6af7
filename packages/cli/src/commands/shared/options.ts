import type { EngineDevice, EngineMode, EngineTarget } from '@graft/engine';
import { InvalidArgumentError, Option } from 'commander';

const ENGINES = ['auto', 'tensorflow', 'eager', 'xla', 'graph', 'mixed', 'portable', 'pjrt'];
const DEVICES = ['cpu', 'cuda', 'rocm', 'tpu', 'oneapi'];

/** The engine that a command computes on, as its options say. */
export interface EngineCommandOptions {
  readonly engine?: EngineMode | EngineTarget;
  readonly device?: EngineDevice;
}

export function engineOption(): Option {
  return new Option(
    '--engine <name>',
    "engine that computes: a target (tensorflow, portable, pjrt) or one of TensorFlow's modes; auto: an installed accelerator, otherwise TensorFlow, otherwise portable",
  ).choices(ENGINES);
}

export function deviceOption(): Option {
  return new Option(
    '--device <kind>',
    'device that computes; any but cpu is that of a PJRT plugin, which engine.plugin or GRAFT_PJRT_PLUGIN names, or which is installed',
  ).choices(DEVICES);
}

export function encoderWindowOption(): Option {
  return new Option(
    '--encoder-window <rule>',
    "sliding encoder layers attend to |i - j| < window (strict), <= window (inclusive), window tokens in all (halved) or <= window / 2 (symmetric); default: the checkpoint's, otherwise its family's",
  ).choices(['strict', 'inclusive', 'halved', 'symmetric']);
}

export function encoderAttentionOption(): Option {
  return new Option(
    '--encoder-attention <how>',
    "the encoder attends in both directions, or only backwards (an ablation); default: the checkpoint's, otherwise bidirectional",
  ).choices(['bidirectional', 'causal']);
}

export function forceOption(): Option {
  return new Option('--force', 'overwrite an existing output file, whatever wrote it');
}

export function bosOption(): Option {
  return new Option(
    '--bos <rule>',
    "start token before a text: auto (decoder-only: yes, encoder: no), true or false (default: the checkpoint's, otherwise auto)",
  )
    .choices(['auto', 'true', 'false'])
    .argParser((rule): BosRule => {
      if (rule === 'auto') return rule;
      if (rule === 'true' || rule === 'false') return rule === 'true';
      throw new InvalidArgumentError('Expected auto, true or false.');
    });
}

export type BosRule = 'auto' | boolean;

/** Of commands that open a checkpoint of any family. */
export function pluginOption(): Option {
  return new Option(
    '--plugin <name>',
    "plugin with the model family or the tokenizer (a package or a file), in addition to Graft's own; may be repeated",
  ).argParser(collect);
}

/** `what`: the input that it encodes, `for --prompt`. */
export function tokenizerOption(what: string): Option {
  return new Option('--tokenizer <name>', `${what}: ${WHICH_TOKENIZER} (default: the model folder's)`);
}

/** Where a command has both a source and a target. */
export function encoderTokenizerOption(): Option {
  return new Option(
    '--encoder-tokenizer <name>',
    "of what the encoder reads, if it is another one; --tokenizer is then the decoder's (default: the model folder's)",
  );
}

export function adapterOption(): Option {
  return new Option(
    '--adapter <folder>',
    "low-rank adapter (LoRA) in PEFT's layout that is merged into the model in memory, such as a step-N folder of a run with train.lora",
  );
}

/** For the help of commands. */
export const WHICH_TOKENIZER = "`bytes`, a tokenizer.json or its folder, or the name of a plugin's tokenizer";

/** Options of commands that open a checkpoint. */
export interface FamilyOptions {
  readonly plugin?: readonly string[];
  readonly adapter?: string;
  readonly bos?: BosRule;
  readonly encoderWindow?: 'strict' | 'inclusive' | 'halved' | 'symmetric';
  readonly encoderAttention?: 'bidirectional' | 'causal';
}

/** The special-token policy that `--bos` requests of a model. */
export function specialTokensOf({ bos }: { readonly bos?: BosRule }): { specialTokens?: { bos: BosRule } } {
  return bos === undefined ? {} : { specialTokens: { bos } };
}

/** For options that may be repeated. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

export function integer(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`Expected an integer of at least ${least}.`);
    }
    return value;
  };
}

/** A number within a range, which `range` describes: `above 0`. */
export function numberOf(range: string, isWithin: (value: number) => boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || !isWithin(value))
      throw new InvalidArgumentError(`Expected a number${range && ` ${range}`}.`);
    return value;
  };
}

export const positiveNumber = numberOf('above 0', (value) => value > 0);

/** A comma-separated list of known words. */
export function listOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) => {
    const words = text.split(',').map((word) => word.trim());
    const wrong = words.find((word) => !(known as readonly string[]).includes(word));
    if (wrong !== undefined)
      throw new InvalidArgumentError(`"${wrong}" is unknown; expected a comma-separated list of ${known.join(', ')}.`);
    return words as T[];
  };
}
