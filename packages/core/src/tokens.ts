import type { Engine } from '@graft/engine';
import type { ComponentFactory } from './components';
import type { RunInfo } from './interfaces';
import type { Logger } from './logger';
import type { RandomStream } from './random';

/** A dependency's name that knows the dependency's type; usable wherever tsyringe wants a token. */
export type Token<T> = symbol & { readonly __type?: T };

export function createToken<T>(description: string): Token<T> {
  return Symbol(description);
}

/** The opened engine. */
export const ENGINE = createToken<Engine>('ENGINE');
/** The component's own options, checked by its schema. */
export const OPTIONS = createToken<unknown>('OPTIONS');
/** A random stream of the component's own, forked by its place in the config. */
export const RANDOM = createToken<RandomStream>('RANDOM');
/** Makes other components that the options name. */
export const COMPONENTS = createToken<ComponentFactory>('COMPONENTS');
export const LOGGER = createToken<Logger>('LOGGER');
/** The run that the component works for; only inside a run. */
export const RUN = createToken<RunInfo>('RUN');
