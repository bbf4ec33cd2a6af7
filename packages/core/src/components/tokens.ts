import type { Engine } from '@graft/engine';
import type { ComponentFactory, RunInfo, Task } from '../interfaces';
import type { Logger } from '../util/logger';
import type { RandomStream } from '../random/streams';

/** Identifies a dependency and carries its type; usable wherever tsyringe expects a token. */
export type Token<T> = symbol & { readonly __type?: T };

/**
 * Creates a token for a value that a plugin provides to others (`provide`). The name begins with the plugin's:
 * `phrases/vocabulary`. Tokens with the same name are identical, so that a plugin can request one without importing the
 * other plugin.
 */
export function createToken<T>(name: string): Token<T> {
  return Symbol.for(`@graft/token ${name}`);
}

/**
 * Core's own tokens are identical in every copy of this package, because a plugin may be installed with another copy.
 */
function coreToken<T>(description: string): Token<T> {
  return Symbol.for(`@graft/core ${description}`);
}

const PREFIXES = /^@graft\/(core|token) /;

/** The token's name in messages. */
export function tokenName(token: symbol): string {
  return (token.description ?? String(token)).replace(PREFIXES, '');
}

/** The opened engine. */
export const ENGINE = coreToken<Engine>('ENGINE');
/** The component's own options, checked by its schema. */
export const OPTIONS = coreToken<unknown>('OPTIONS');
/** The component's own random stream, forked by its place in the config. */
export const RANDOM = coreToken<RandomStream>('RANDOM');
/** Creates other components that the options name. */
export const COMPONENTS = coreToken<ComponentFactory>('COMPONENTS');

/** Where a component logs; secrets are masked. */
export const LOGGER = coreToken<Logger>('LOGGER');
/** The run for which the component works; available only inside a run. */
export const RUN = coreToken<RunInfo>('RUN');
/** The tasks that all plugins list, for evaluators that run them. */
export const TASKS = coreToken<readonly Task[]>('TASKS');
