import 'reflect-metadata';
import { ConfigError, GraftError, PluginError, type Engine } from '@graft/engine';
import { container as rootContainer, type DependencyContainer } from 'tsyringe';
import { nameComponent, withPlace } from './calls';
import { placeOf, type Owner } from './config-place';
import { namedDatasetError, placedError } from './dataset-calls';
import { wrongOptions } from '../config/parse-options';
import { show } from '../util/show';
import { asSpec, withRegistry } from '../config/sections';
import { walk } from '../config/walk';
import type {
  ComponentFactory,
  ComponentPurpose,
  ComponentSpec,
  ComponentTypes,
  InterfaceName,
  RunInfo,
} from '../interfaces';
import { missingMember } from './required-members';
import type { Logger } from '../util/logger';
import type { ComponentContext, ProvisionContext } from './context';
import type { ComponentDefinition } from './plugin';
import type { RandomStream } from '../random/streams';
import { reasonOf } from '../util/reason';
import type { RegisteredProvision, Registry } from './registry';
import { unmasked } from '../secrets/mask';
import { isNewWarning } from '../secrets/redact';
import { isSecret } from '../secrets/secret';
import { beginCall } from '../util/pending';
import { COMPONENTS, ENGINE, LOGGER, OPTIONS, RANDOM, RUN, TASKS, tokenName, type Token } from './tokens';

/** Dependencies that every component may request, with their providers. */
export class Services {
  readonly container: DependencyContainer = rootContainer.createChildContainer();
  private readonly providers = new Map<symbol, string>();
  /** The last error of a provision: if a class requested the token, tsyringe keeps only the error's message. */
  failure: GraftError | undefined;

  /** Throws PluginError if the token already has a value: a second one would silently replace it. */
  provide<T>(token: Token<T>, value: T, by: string): this {
    const earlier = this.providers.get(token);
    if (earlier !== undefined) {
      throw new PluginError(`${tokenName(token)} is provided by ${earlier} already; ${by} may not replace it.`, {
        code: 'plugin.duplicate-token',
      });
    }
    this.providers.set(token, by);
    this.container.register(token, { useValue: value });
    return this;
  }

  /** The same as `provide`, with a value that is created on its first request. */
  provideLazily({ provision: { token, useFactory }, plugin, origin }: RegisteredProvision): this {
    const by = `plugin "${plugin}" (${origin})`;
    let value: { readonly made: unknown } | undefined;
    let isBeingMade = false;
    const make = (container: DependencyContainer): unknown => {
      if (value) return value.made;
      if (isBeingMade)
        throw new PluginError(`${tokenName(token)} of ${by} needs itself: what it resolves asks for it again.`, {
          code: 'plugin.token-circle',
        });
      isBeingMade = true;
      try {
        value = { made: useFactory(provisionContext(container, by, this)) };
        return value.made;
      } catch (error) {
        this.failure =
          error instanceof GraftError
            ? error
            : new PluginError(`${by} could not provide ${tokenName(token)}: ${reasonOf(error)}.`, {
                code: 'plugin.failed',
                cause: error,
              });
        throw this.failure;
      } finally {
        isBeingMade = false;
      }
    };
    this.providers.set(token, by);
    this.container.register(token, { useFactory: make });
    return this;
  }

  /** The provider of each token. */
  get provenance(): readonly (readonly [token: string, by: string])[] {
    return [...this.providers].map(([token, by]) => [tokenName(token), by] as const);
  }
}

/** What a component factory provides to components. */
export interface RunServices {
  engine: Engine;
  random: RandomStream;
  logger: Logger;
  run?: RunInfo;
}

/** Creates the factory, which creates each component in a child container, with its own options and random stream. */
export function createComponentFactory(
  registry: Registry,
  { engine, random, logger, run }: RunServices,
): ComponentFactory {
  const services = new Services()
    .provide(ENGINE, engine, '@graft/core')
    .provide(LOGGER, logger, '@graft/core')
    .provide(
      TASKS,
      registry.tasks.map(({ task }) => task),
      '@graft/core',
    );
  if (run) services.provide(RUN, run, '@graft/core');
  for (const provided of registry.provided) services.provideLazily(provided);
  return new Factory(registry, services, random);
}

class Factory implements ComponentFactory {
  constructor(
    private readonly registry: Registry,
    private readonly services: Services,
    private readonly random: RandomStream,
    private readonly purpose: ComponentPurpose = 'training',
    /** The component that creates others with it. Default: the run. */
    private readonly owner?: Owner,
  ) {}

  forEvaluation(): ComponentFactory {
    return this.for('evaluation');
  }

  forBatches(): ComponentFactory {
    return this.for('batches');
  }

  private for(purpose: ComponentPurpose): ComponentFactory {
    return new Factory(this.registry, this.services, this.random, purpose, this.owner);
  }

  async create<I extends InterfaceName>(
    interface_: I,
    spec: ComponentSpec | string,
    place?: string | number,
  ): Promise<ComponentTypes[I]> {
    const section = asSpec(spec, interface_, this.registry) as ComponentSpec;
    const { use, ...given } = unmasked(section);
    const { definition, plugin } = this.registry.find(interface_, use);
    const name = `${plugin}/${definition.id}`;
    const parsed = withRegistry(this.registry, () => definition.options.safeParse(given));
    if (!parsed.success) {
      throw wrongOptions(definition.options, given, parsed.error.issues, `${interface_} "${name}"`);
    }
    const options: unknown = parsed.data;
    // The key is the component's identity, not the time of its creation, so that adding another one changes no stream.
    const own = this.random.fork(`${interface_}:${definition.id}`);
    const random = place === undefined ? own : own.fork(place);
    const where = (): string | undefined => placeOf(interface_, spec, this.owner, this.registry);
    const owner = { schema: definition.options, options, place: where };
    const nested = new Factory(this.registry, this.services, random, this.purpose, owner);
    const asker = `${interface_} "${name}"`;
    this.readSecrets(definition, options, asker);
    const child = this.services.container.createChildContainer();
    child.register(OPTIONS, { useValue: options });
    child.register(RANDOM, { useValue: random });
    child.register(COMPONENTS, { useValue: nested });
    let made: unknown;
    // Datasets may read whole files while they are created, which can take long, or never end.
    const end = interface_ === 'dataset' ? beginCall(`${asker} has not opened`) : undefined;
    try {
      made = await this.make(definition, child, { options, random, components: nested, asker });
    } catch (error) {
      const explained = explain(error, asker, this.services);
      if (interface_ === 'dataset') throw namedDatasetError(withPlace(asker, where(), 'dataset'), explained);
      // Several sections may name one, and a default is written nowhere.
      throw interface_ === 'tokenizer' ? placedError(where(), explained) : explained;
    } finally {
      end?.();
    }
    checkMade(interface_, made, asker);
    nameComponent(made, asker, where);
    return made as ComponentTypes[I];
  }

  /**
   * Reads secrets now rather than at their first use, late in a run. Nested components' secrets are read when those
   * components are created.
   */
  private readSecrets({ options: schema }: ComponentDefinition, options: unknown, asker: string): void {
    walk(schema, options, '', {
      path: (value) => value,
      component: (_, value) => value,
      secret: (value, at) => {
        if (!isSecret(value)) return value;
        try {
          value.reveal();
        } catch (error) {
          const { code } = error as { code?: string };
          throw new ConfigError(`${asker}: ${at}: ${reasonOf(error)}.`, {
            code,
            hint: 'Set it, or change what the config names.',
          });
        }
        if (value.warning !== undefined && isNewWarning(value.warning))
          this.services.container.resolve<Logger>(LOGGER).warn(value.warning);
        return value;
      },
    });
  }

  private make(
    { useClass, useFactory }: ComponentDefinition,
    child: DependencyContainer,
    { asker, ...own }: Pick<ComponentContext, 'options' | 'random' | 'components'> & { readonly asker: string },
  ): unknown {
    if (useClass) {
      checkParameters(useClass, asker);
      return child.resolve(useClass);
    }
    return useFactory!({
      ...own,
      purpose: this.purpose,
      ...provisionContext(child, asker, this.services),
    });
  }
}

/** The dependencies in a container, for the factory of `asker`. */
function provisionContext(container: DependencyContainer, asker: string, services: Services): ProvisionContext {
  return {
    engine: container.resolve(ENGINE),
    logger: container.resolve(LOGGER),
    run: container.isRegistered(RUN, true) ? container.resolve(RUN) : undefined,
    resolve: <T>(token: Token<T>) => {
      try {
        return container.resolve<T>(token);
      } catch (error) {
        throw explain(error, asker, services);
      }
    },
  };
}

/** The checks that the compiler would make if the plugin were written in TypeScript. */
function checkMade(interface_: InterfaceName, made: unknown, asker: string): asserts made is object {
  if (typeof made !== 'object' || made === null) {
    throw new PluginError(`${asker} could not be made: its factory returned ${show(made)}; expected an object.`, {
      code: 'plugin.incomplete',
    });
  }
  const missing = missingMember(interface_, made);
  if (missing !== undefined) {
    throw new PluginError(`${asker} lacks ${missing}, which every ${interface_} has.`, { code: 'plugin.incomplete' });
  }
}

/** The metadata key under which tsyringe's `@inject` stores the tokens of a class, by parameter. */
const INJECTED = 'injectionTokens';

/** A parameter without a token would silently be undefined if the compiler emits no types. */
function checkParameters(component: { readonly name: string; readonly length: number }, asker: string): void {
  const tokens = (Reflect.getOwnMetadata(INJECTED, component) ?? {}) as Record<number, unknown>;
  for (let i = 0; i < component.length; i++) {
    if (Object.hasOwn(tokens, i)) continue;
    throw new PluginError(
      `${asker} cannot be constructed: parameter ${i + 1} of ${component.name}'s constructor lacks @inject(TOKEN).`,
      { code: 'plugin.not-injectable' },
    );
  }
}

/** tsyringe's errors name constructor positions, but a plugin author needs the component and the token. */
function explain(error: unknown, asker: string, services: Services): GraftError {
  if (error instanceof GraftError) return error;
  const reason = reasonOf(error);
  if (services.failure && reason.includes(services.failure.message.replace(/\.$/, ''))) return services.failure;
  const token = /unregistered dependency token: "?(?:Symbol\()?([^"\n)]+)/i.exec(reason)?.[1];
  if (token) {
    const known = [...services.provenance.map(([name]) => name), 'OPTIONS', 'RANDOM', 'COMPONENTS'].sort();
    return new PluginError(
      `${asker} asks for ${tokenName(Symbol(token))}, which nobody provides here; there are ${known.join(', ')}.`,
      { code: 'plugin.missing-dependency', cause: error },
    );
  }
  if (/TypeInfo not known/.test(reason)) {
    return new PluginError(`${asker} cannot be constructed: its class lacks @injectable().`, {
      code: 'plugin.not-injectable',
      cause: error,
    });
  }
  return new PluginError(`${asker} could not be made: ${reason}.`, { code: 'plugin.failed', cause: error });
}
