import { reducedProductCases } from '../../test/reduced-products';

reducedProductCases([
  ['sum', false],
  ['mean', true],
  ['max', true],
]);
