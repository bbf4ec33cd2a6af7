import { conformance, createComponent } from '@graft/testing';
import { describe, test } from 'node:test';
import { plugin } from './index';

void describe('my-plugin', () => {
  const make = () => createComponent([plugin], 'callback', { use: 'my-plugin', patienceSteps: 5 });
  for (const { name, run } of conformance.callback(make)) void test(name, run);
});
