import { UsageError } from '@graft/errors';

/** A mistake on the command line that commander cannot see. */
export class CommandLineError extends UsageError {
  constructor(message: string) {
    super(message, { code: 'cli.usage' });
  }
}
