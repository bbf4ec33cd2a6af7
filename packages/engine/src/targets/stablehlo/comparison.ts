import type { Direction } from './emitter';
import type { Rule, Rules } from './rule';

const compared = (direction: Direction): Rule => {
  return ({ to, inputs: [a, b] }) => {
    const [x, y] = to.together(a, b);
    return to.compare(direction, x, y);
  };
};

/** Comparisons, and the choice between two values. */
export const comparisons: Rules = {
  Equal: compared('EQ'),
  Greater: compared('GT'),
  GreaterEqual: compared('GE'),
  Less: compared('LT'),
  LessEqual: compared('LE'),
  NotEqual: compared('NE'),
  // One condition for all, for each number, or for each row.
  Select: ({ to, inputs: [condition, yes, no] }) => {
    const isForRows = condition.shape.length === 1 && yes.shape.length > 1;
    return to.select(isForRows ? to.broadcast(condition, yes.shape, [0]) : condition, yes, no);
  },
  SelectV2: ({ to, inputs: [condition, yes, no] }) => {
    const [which, a, b] = to.together(condition, yes, no);
    return to.select(which, a, b);
  },
};
