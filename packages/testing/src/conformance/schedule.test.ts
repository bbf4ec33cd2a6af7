import { finds } from '../../test/broken-rules';
import { conformance } from '../index';

describe('broken rules of schedules', () => {
  finds('a negative factor', () => conformance.schedule(() => ({ factor: (step) => 1 - step })), /finite number/);
  finds(
    'a factor that counts calls',
    () => {
      let calls = 0;
      return conformance.schedule(() => ({ factor: () => 1 / ++calls }));
    },
    /depends only on the step/,
  );
});
