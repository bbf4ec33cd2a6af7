import type { Tracker } from '@graft/core';
import { finds } from '../../test/broken-rules';
import { conformance, type Received } from '../index';

describe('broken rules of trackers', () => {
  const plain: Tracker = { start: async () => undefined, log: () => undefined, finish: async () => undefined };
  const odd = (change: Partial<Tracker>, received?: () => Received[]) =>
    conformance.tracker(() => ({ ...plain, ...change }), { received });
  finds('a log that is waited for', () => odd({ log: (async () => undefined) as never }), /returns at once/);
  finds(
    'a number that it cannot take',
    () =>
      odd({
        log: (_, { loss }) => {
          if (Number.isNaN(loss)) throw new Error('NaN');
        },
      }),
    /not finite/,
  );
  finds(
    'a run without steps',
    () =>
      conformance.tracker(() => {
        let lines = 0;
        const finish = async (): Promise<void> => {
          if (lines === 0) throw new Error('nothing');
        };
        return { ...plain, log: () => void lines++, finish };
      }),
    /without steps/,
  );
  finds('numbers that are lost', () => odd({}, () => []), /arrives/);
  finds(
    'a resumed run that is refused',
    () =>
      odd({
        start: async ({ resumedFromStep }) => {
          if (resumedFromStep) throw new Error('again');
        },
      }),
    /resumed run/,
  );
});
