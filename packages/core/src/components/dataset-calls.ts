import { CheckpointError, ConfigError, DataError, EngineError, GraftError, PluginError } from '@graft/engine';
import type { Dataset } from '../interfaces';
import { reasonOf } from '../util/reason';
import { placedName } from './calls';

const CLASSES = { CheckpointError, ConfigError, DataError, EngineError, PluginError };

/** An error that names its dataset already: that of the part which failed, or one from another thread. */
const NAMED = /\bdataset "[^"]*\/[^"]*"/;

/**
 * An error of a dataset with the dataset's name in front: of the same class, code and hint if it is one of Graft's. An
 * error that names a dataset is returned as it is.
 */
export function namedDatasetError<E>(name: string, error: E): E | Error {
  if (!(error instanceof GraftError)) {
    const reason = reasonOf(error);
    return NAMED.test(reason) ? error : new Error(`${name}: ${reason}`, { cause: error });
  }
  return NAMED.test(error.message) ? error : prefixed(name, error);
}

/** The same with the place in the config that an error is about, if there is one and the error does not begin with it. */
export const placedError = <E>(place: string | undefined, error: E): E | Error =>
  place === undefined || !(error instanceof GraftError) || error.message.startsWith(place)
    ? error
    : prefixed(place, error);

function prefixed(prefix: string, error: GraftError): Error {
  const { code, exitCode, hint, message } = error;
  const Class = CLASSES[error.name as keyof typeof CLASSES] ?? GraftError;
  return new Class(`${prefix}: ${message}`, { code, exitCode, hint, cause: error });
}

/** Calls a dataset; an error names it, with its place in the config, if a factory created it. */
export async function callingDataset<T>(dataset: Dataset, call: () => Promise<T> | T): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const name = placedName(dataset, '', 'dataset');
    throw name === '' ? error : namedDatasetError(name, error);
  }
}
