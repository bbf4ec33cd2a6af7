// Not from the package's index, which loads the engine: the command line is checked before that.
import { UsageError } from '@graft/engine/errors';

/** A mistake on the command line that commander cannot see. */
export class CommandLineError extends UsageError {
  constructor(message: string) {
    super(message, { code: 'cli.usage' });
  }
}
