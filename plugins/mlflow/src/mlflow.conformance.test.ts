import { temporaryFolder } from '@graft/test-support';
import { conformance, createComponent, type Received } from '@graft/testing';
import { close, listen, type FakeMlflow } from '../test-support/fake-mlflow';
import { plugin } from './index';

let fake: FakeMlflow;
beforeAll(async () => {
  fake = await listen();
});
afterAll(() => close(fake));

/** What the server was sent, one number each. */
const received = (): Received[] =>
  fake.calls
    .flatMap(({ body }) => (body.metrics as { key: string; step: number; value: number }[] | undefined) ?? [])
    .map(({ key, step, value }) => ({ step, metrics: { [key]: value } }));

describe('the tracker mlflow', () => {
  const make = () =>
    createComponent([plugin], 'tracker', {
      use: 'mlflow',
      trackingUri: `http://127.0.0.1:${fake.port}`,
      flushSeconds: 0.05,
    });
  const run = () => ({ folder: temporaryFolder() });
  for (const check of conformance.tracker(make, { run, received })) test(check.name, check.run);
});
