import { EngineError } from '@graft/errors';

/**
 * Options of the client, or flags of XLA's compiler, that a variable of the environment holds as a JSON object. Throws
 * EngineError for anything else.
 */
export function environmentOptions(
  variable: 'GRAFT_PJRT_OPTIONS' | 'GRAFT_PJRT_FLAGS',
): Record<string, string | number | boolean> {
  const text = process.env[variable];
  if (!text) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Reported below.
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const isPlain = (entry: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof entry);
  if (isObject && Object.values(value as object).every(isPlain))
    return value as Record<string, string | number | boolean>;
  throw new EngineError(`${variable} must be a JSON object of texts, numbers and booleans, but is ${text}.`, {
    code: 'engine.pjrt-plugin',
    exitCode: 2,
    hint: `For example ${variable}='{"memory_fraction":0.5}'.`,
  });
}
