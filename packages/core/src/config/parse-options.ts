import { PluginError } from '@graft/engine';
import type { z } from 'zod';
import { MASK, redact } from '../secrets/redact';
import { explainIssues } from './issues';
import { keysAt, walk } from './walk';

/** A PluginError about options that a schema refused; it shows no secret. `whose`: as in `optimizer "@graft/optimizers/adamw"`. */
export function wrongOptions(
  schema: z.ZodType,
  given: unknown,
  issues: readonly z.core.$ZodIssue[],
  whose: string,
): PluginError {
  const shown = walk(schema, given, '', {
    path: (value) => value,
    component: (_, value) => value,
    secret: (value) => (value === undefined ? value : MASK),
  });
  const problems = explainIssues(issues, shown, (path) => keysAt(schema, given, path, () => undefined))
    .map(({ path, message }) => `${path.join('.') || 'options'}: ${message}`)
    .join('; ');
  return new PluginError(redact(`The options of ${whose} are wrong: ${problems}${problems.endsWith('?') ? '' : '.'}`), {
    code: 'plugin.options',
    exitCode: 2,
  });
}

/**
 * Options as the schema of a component completes them: what a constructor or a factory does with its input, so that
 * `new AdamW({ learningRate: 1e-3 })` has the defaults that a config has. Options that were completed before are left as
 * they are. Throws PluginError with all problems; `whose` names the component in it.
 */
export function parseOptions<S extends z.ZodType>(schema: S, given: z.input<S>, whose: string): z.output<S> {
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw wrongOptions(schema, given, parsed.error.issues, whose);
  return parsed.data;
}
