import type { Callback } from './callback';
import type { Dataset } from './dataset';
import type { Evaluator } from './evaluator';
import type { Initializer } from './initializer';
import type { Objective } from './objective';
import type { Optimizer } from './optimizer';
import type { Schedule } from './schedule';
import type { Tokenizer } from './tokenizer';
import type { Tracker } from './tracker';
import type { ModelFamily } from './family';

/** The type of each interface name. */
export interface ComponentTypes {
  model: ModelFamily;
  initializer: Initializer;
  objective: Objective;
  optimizer: Optimizer;
  schedule: Schedule;
  dataset: Dataset;
  evaluator: Evaluator;
  tokenizer: Tokenizer;
  tracker: Tracker;
  callback: Callback;
}

/** Name of an interface, as `defineComponent` takes it. */
export type InterfaceName = keyof ComponentTypes;

/** The names of all interfaces. */
export const INTERFACES: readonly InterfaceName[] = [
  'model',
  'initializer',
  'objective',
  'optimizer',
  'schedule',
  'dataset',
  'evaluator',
  'tokenizer',
  'tracker',
  'callback',
];
