import type { Engine } from '@graft/engine';
import type { ComponentFactory, RunInfo } from '../interfaces';
import type { Logger } from '../util/logger';
import type { RandomStream } from '../random/streams';

/** A name of a dependency with its type; usable wherever tsyringe expects a token. */
export type Token<T> = symbol & { readonly __type?: T };

/**
 * Creates a token for something that a plugin provides to others (`provide`). The name contains the plugin's:
 * `phrases/vocabulary`. Tokens of one name are the same token, so that a plugin can ask for it without importing the other.
 */
export function createToken<T>(name: string): Token<T> {
  return Symbol.for(`@graft/token ${name}`);
}

/** Core's own tokens are the same in every copy of this package: a plugin may have been installed with another one. */
function coreToken<T>(description: string): Token<T> {
  return Symbol.for(`@graft/core ${description}`);
}

const PREFIXES = /^@graft\/(core|token) /;

/** What messages call a token. */
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
export const LOGGER = coreToken<Logger>('LOGGER');
/** The run that the component works for; only inside a run. */
export const RUN = coreToken<RunInfo>('RUN');
