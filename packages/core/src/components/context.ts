import type { Engine } from '@graft/engine';
import type { ComponentFactory, ComponentPurpose, RunInfo } from '../interfaces';
import type { RandomStream } from '../random/streams';
import type { Logger } from '../util/logger';
import type { Token } from './tokens';

/** The argument of a component's factory function. */
export interface ComponentContext<O = unknown> {
  readonly options: O;
  readonly engine: Engine;
  readonly random: RandomStream;
  readonly components: ComponentFactory;
  readonly logger: Logger;
  readonly purpose: ComponentPurpose;
  /** The run that the component works for; undefined outside a run. */
  readonly run?: RunInfo;
  /** Any dependency by its token. */
  resolve<T>(token: Token<T>): T;
}
