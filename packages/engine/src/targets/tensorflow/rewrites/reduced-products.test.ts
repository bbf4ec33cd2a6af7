import { reducedProductCases } from '../../../../test-support/reduced-products';

// Each is compiled twice; the slow tests have the other combinations.
reducedProductCases([
  ['sum', true],
  ['mean', false],
  ['max', false],
]);
