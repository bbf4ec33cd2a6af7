import { ConfigError } from '@graft/engine';
import type { Task } from '../interfaces';
import { didYouMean } from '../util/suggest';

/** Named lists of tasks, by name. */
export type Suites = Readonly<Record<string, readonly string[]>>;

/**
 * The tasks of these names, each once, in this order; the name of a suite stands for its tasks. Throws ConfigError with
 * the known names and the nearest.
 */
export function findTasks(names: readonly string[], tasks: readonly Task[], suites: Suites = {}): Task[] {
  const ids = names.flatMap((name) => (Object.hasOwn(suites, name) ? suites[name] : [name]));
  return [...new Set(ids)].map((id) => {
    const found = tasks.find((task) => task.id === id);
    if (found) return found;
    const known = [...Object.keys(suites), ...tasks.map((task) => task.id)];
    throw new ConfigError(`There is no task "${id}"; known are ${known.join(', ')}${didYouMean(id, known) || '.'}`, {
      code: 'task.unknown',
      hint: 'A plugin lists its tasks under `tasks`; name it under `plugins:`.',
    });
  });
}
