import { PluginError } from '@graft/engine';
import { describeLost } from '../util/plain-json';

/**
 * Checks that a dataset's position survives a checkpoint, which is JSON. `name` is for the error: `dataset "text"`.
 * Throws PluginError. A key with undefined counts as missing.
 */
export function checkPosition(position: unknown, name: string): void {
  const problem = describeLost(position);
  if (problem === undefined) return;
  throw new PluginError(`${name}: its position ${problem}, which a checkpoint cannot keep; expected plain JSON.`, {
    code: 'data.position',
  });
}
