import { ATTRIBUTE, dtypeAttribute } from '../../kernels/attributes';
import { CONSTRAIN } from '../../mesh/constrain';
import type { tf } from '../../tf';
import type { GraftBackend } from '../../trace/backend';
import { SHARDING_ATTRIBUTE } from '../stablehlo/shardy';

/** An identity with a private attribute, which only the lowering to StableHLO reads. */
export const constrainKernel = (backendName: string): tf.KernelConfig => ({
  kernelName: CONSTRAIN,
  backendName,
  kernelFunc: ({ inputs, attrs, backend }) => {
    const native = backend as GraftBackend;
    const x = inputs.x!;
    const spec = { name: SHARDING_ATTRIBUTE, type: ATTRIBUTE.STRING, value: attrs!.spec };
    return native.run('Identity', [dtypeAttribute('T', native.getDTypeInteger(x.dtype)), spec], [x])[0];
  },
});
