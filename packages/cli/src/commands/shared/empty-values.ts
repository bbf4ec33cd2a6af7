import type { Command } from 'commander';
import { CommandLineError } from '../../output/command-line-error';

/** Options and arguments whose text may be empty. */
const TEXTS = ['prompt', 'system', 'text'];

/**
 * Throws UsageMistake for an option or an argument with an empty value, such as an unset shell variable: `--resume
 * "$RUN"` does not mean the newest run, nor `--out "$OUT"` this folder.
 */
export function refuseEmptyValues(command: Command): void {
  for (const option of command.options) {
    const name = option.attributeName();
    if (TEXTS.includes(name) || command.getOptionValueSource(name) !== 'cli') continue;
    if (hasEmpty(command.getOptionValue(name))) throw emptyValue(`--${option.name()}`);
  }
  command.registeredArguments.forEach((argument, i) => {
    if (!TEXTS.includes(argument.name()) && hasEmpty(command.processedArgs[i])) throw emptyValue(argument.name());
  });
}

function hasEmpty(value: unknown): boolean {
  const isEmpty = (one: unknown): boolean => typeof one === 'string' && one.trim() === '';
  return Array.isArray(value) ? value.some(isEmpty) : isEmpty(value);
}

function emptyValue(name: string): CommandLineError {
  return new CommandLineError(`The value of ${name} is empty; is a shell variable not set?`);
}
