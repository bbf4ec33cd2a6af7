import type { Engine } from '@graft/engine';
import type { ComponentFactory, ComponentPurpose, RunInfo } from '../interfaces';
import type { RandomStream } from '../random/streams';
import type { Logger } from '../util/logger';
import type { Token } from './tokens';

/** The argument of the factory of a provision (`provide`). */
export interface ProvisionContext {
  readonly engine: Engine;
  readonly logger: Logger;
  /** The run in which the provision is created; undefined outside a run. */
  readonly run?: RunInfo;
  /**
   * Resolves any dependency by its token, including those of other plugins. Throws PluginError if nothing provides it.
   */
  resolve<T>(token: Token<T>): T;
}

/** The argument of a component's factory function. */
export interface ComponentContext<O = unknown> extends ProvisionContext {
  readonly options: O;
  readonly random: RandomStream;
  readonly components: ComponentFactory;
  readonly purpose: ComponentPurpose;
}
