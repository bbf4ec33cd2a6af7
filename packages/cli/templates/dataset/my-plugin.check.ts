import { conformance, createComponent } from '@graft/testing';
import { describe, test } from 'node:test';
import { plugin } from './index';

void describe('my-plugin', () => {
  const make = () => createComponent([plugin], 'dataset', { use: 'my-plugin', items: 7 });
  for (const { name, run } of conformance.dataset(make)) void test(name, run);
});
