import 'reflect-metadata';
import { GraftError, PluginError, type Engine } from '@graft/engine';
import { container as rootContainer, type DependencyContainer } from 'tsyringe';
import type { RunInfo } from './interfaces';
import type { Logger } from './logger';
import type { ComponentTypes, InterfaceName } from './plugin';
import type { RandomStream } from './random';
import type { Registry } from './registry';
import { COMPONENTS, ENGINE, LOGGER, OPTIONS, RANDOM, RUN, type Token } from './tokens';

/** A component named in a config, its options beside `use`; checked when the config was loaded. */
export interface ComponentSpec {
  readonly use: string;
  readonly [option: string]: unknown;
}

/** Makes components: the same door for a config's sections and for a component's own parts. */
export interface ComponentFactory {
  create<I extends InterfaceName>(interface_: I, spec: ComponentSpec): Promise<ComponentTypes[I]>;
}

/** What a component made by a factory function is given. */
export interface ComponentContext<O = unknown> {
  readonly options: O;
  readonly engine: Engine;
  readonly random: RandomStream;
  readonly components: ComponentFactory;
  readonly logger: Logger;
  /** Any dependency by its token. */
  resolve<T>(token: Token<T>): T;
}

/** Dependencies that every component may ask for, with who gave them. */
export class Services {
  readonly container: DependencyContainer = rootContainer.createChildContainer();
  private readonly providers = new Map<symbol, string>();

  /** Throws PluginError when the token has a value already: a second one would silently win. */
  provide<T>(token: Token<T>, value: T, by: string): this {
    const earlier = this.providers.get(token);
    if (earlier !== undefined) {
      throw new PluginError(`${nameOf(token)} is provided by ${earlier} already; ${by} may not replace it.`, {
        code: 'plugin.duplicate-token',
      });
    }
    this.providers.set(token, by);
    this.container.register(token, { useValue: value });
    return this;
  }

  /** Who provided what. */
  get provenance(): readonly (readonly [token: string, by: string])[] {
    return [...this.providers].map(([token, by]) => [nameOf(token), by] as const);
  }
}

function nameOf(token: symbol): string {
  return token.description ?? String(token);
}

export interface RunServices {
  engine: Engine;
  random: RandomStream;
  logger: Logger;
  run?: RunInfo;
}

/** A factory whose components live in child containers, each with its own options and random stream. */
export function createComponentFactory(
  registry: Registry,
  { engine, random, logger, run }: RunServices,
): ComponentFactory {
  const services = new Services().provide(ENGINE, engine, '@graft/core').provide(LOGGER, logger, '@graft/core');
  if (run) services.provide(RUN, run, '@graft/core');
  return new Factory(registry, services, random);
}

class Factory implements ComponentFactory {
  constructor(
    private readonly registry: Registry,
    private readonly services: Services,
    private readonly random: RandomStream,
  ) {}

  async create<I extends InterfaceName>(interface_: I, spec: ComponentSpec): Promise<ComponentTypes[I]> {
    const { definition, plugin } = this.registry.find(interface_, spec.use);
    const name = `${plugin}/${definition.id}`;
    const { use: _use, ...given } = spec;
    const parsed = definition.options.safeParse(given);
    if (!parsed.success) {
      const problems = parsed.error.issues
        .map(({ path, message }) => `${path.join('.') || 'options'}: ${message}`)
        .join('; ');
      throw new PluginError(`The options of ${interface_} "${name}" are wrong: ${problems}.`, {
        code: 'plugin.options',
        exitCode: 2,
      });
    }
    const options: unknown = parsed.data;
    // Keyed by what the component is, not by when it was made: adding another one changes no stream.
    const random = this.random.fork(`${interface_}:${definition.id}`);
    const nested = new Factory(this.registry, this.services, random);
    const child = this.services.container.createChildContainer();
    child.register(OPTIONS, { useValue: options });
    child.register(RANDOM, { useValue: random });
    child.register(COMPONENTS, { useValue: nested });
    try {
      if (definition.useClass) return child.resolve(definition.useClass) as ComponentTypes[I];
      return (await definition.useFactory!({
        options,
        random,
        components: nested,
        engine: child.resolve(ENGINE),
        logger: child.resolve(LOGGER),
        resolve: <T>(token: Token<T>) => child.resolve<T>(token),
      })) as ComponentTypes[I];
    } catch (error) {
      throw explain(error, `${interface_} "${name}"`);
    }
  }
}

/** tsyringe's errors name constructor positions; a plugin author wants the component and the token. */
function explain(error: unknown, asker: string): unknown {
  if (error instanceof GraftError || !(error instanceof Error)) return error;
  const token = /unregistered dependency token: "?(?:Symbol\()?([\w.]+)/i.exec(error.message)?.[1];
  if (token) {
    return new PluginError(`${asker} asks for ${token}, which nobody provides here.`, {
      code: 'plugin.missing-dependency',
      cause: error,
    });
  }
  if (/TypeInfo not known/.test(error.message)) {
    return new PluginError(
      `${asker} cannot be constructed: its class lacks @injectable(), or one of its parameters lacks @inject(TOKEN).`,
      { code: 'plugin.not-injectable', cause: error },
    );
  }
  // tsyringe wraps what a constructor throws into text; the original is what the user should read.
  return error;
}
