import { reducedProductCases } from '../../../../test-support/reduced-products';

reducedProductCases([
  ['sum', false],
  ['mean', true],
  ['max', true],
]);
