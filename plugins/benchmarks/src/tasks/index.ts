import type { Task } from '@graft/core';
import { Arc } from './arc';
import { BoolQ } from './boolq';
import { HellaSwag } from './hellaswag';
import { Mmlu } from './mmlu';
import { Piqa } from './piqa';
import { Siqa } from './siqa';
import { Winogrande } from './winogrande';

/** All tasks, in the order of the paper's list. */
export const TASKS: readonly Task[] = [
  new BoolQ(),
  new Siqa(),
  new Piqa(),
  new Arc('arc-challenge', 25),
  new Arc('arc-easy', 0),
  new Mmlu(),
  new HellaSwag(),
  new Winogrande(),
];
