import { conformance, createComponent } from '@graft/testing';
import { describe, test } from 'node:test';
import { plugin } from './index';

void describe('my-plugin', () => {
  const make = () => createComponent([plugin], 'schedule', 'my-plugin');
  for (const { name, run } of conformance.schedule(make)) void test(name, run);
});
