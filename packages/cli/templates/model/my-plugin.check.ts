import { conformance, createComponent } from '@graft/testing';
import { describe, test } from 'node:test';
import { plugin } from './index';

void describe('my-plugin', () => {
  const make = () => createComponent([plugin], 'model', { use: 'my-plugin', vocabularySize: 20, width: 6 });
  for (const { name, run } of conformance.model(make)) void test(name, run);
});
