import type {
  Callback,
  Dataset,
  Evaluator,
  Initializer,
  ModelFamily,
  Objective,
  Optimizer,
  Schedule,
  Tokenizer,
  Tracker,
} from './components';

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

export type InterfaceName = keyof ComponentTypes;

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
