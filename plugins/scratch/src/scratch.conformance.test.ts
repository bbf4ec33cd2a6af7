import { conformance, createComponent, toyModel } from '@graft/testing';
import { plugin } from './index';

describe('the initializer scratch', () => {
  const make = () => createComponent([plugin], 'initializer', 'scratch');
  for (const { name, run } of conformance.initializer(make, { model: () => toyModel() })) test(name, run);
});
