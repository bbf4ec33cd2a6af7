import { ATTENTION, KEY_GRADIENT, QUERY_GRADIENT, ruleOf, sizesOf } from '../../program/attention';
import type { ValueType } from '../../program/program';
import type { Emitter, Hlo } from './emitter';
import type { Lowering, Rule, Rules } from './rule';
import {
  forwardKernel,
  keyGradientKernel,
  queryGradientKernel,
  type AttentionKernel,
  type Kernel,
} from './triton/attention-kernels';
import { tilingOf } from './triton/tilings';
import { Unsupported } from './types';

/** XLA compiles the kernel that the call carries as text. */
const TRITON_CALL = '__gpu$xla.gpu.triton';

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\22').replaceAll('\n', '\\0A');

/** The order of dimensions in memory, rows last, which the kernels expect. */
function layout({ shape: { length } }: ValueType): string {
  const order = Array.from({ length }, (_, i) => length - 1 - i);
  return `dense<[${order.join(', ')}]> : tensor<${length}xindex>`;
}

function callKernel(to: Emitter, kernel: Kernel, inputs: readonly Hlo[], types: readonly ValueType[]): Hlo[] {
  const { name, text, grid, warps, stages } = kernel;
  const config = [
    'debug = false',
    `grid_x = ${grid[0]} : i32`,
    `grid_y = ${grid[1]} : i32`,
    'grid_z = 1 : i32',
    `ir = "${escaped(text)}"`,
    `name = "${name}"`,
    `num_stages = ${stages} : i32`,
    `num_warps = ${warps} : i32`,
  ];
  return to.many('custom_call', inputs, types, [
    `call_target_name = "${TRITON_CALL}"`,
    'backend_config = ""',
    `mhlo.backend_config = {${config.join(', ')}}`,
    `operand_layouts = [${inputs.map(layout).join(', ')}]`,
    `result_layouts = [${types.map(layout).join(', ')}]`,
  ]);
}

/** The kernel's sizes and rule; the inputs as it reads them. */
function given({ to, op, attributes, inputs }: Lowering, narrow: readonly number[]): [AttentionKernel, Hlo[]] {
  if (to.platform !== 'cuda') throw new Unsupported(`there is no kernel of ${op} for the platform ${to.platform}`);
  const spec = { ...sizesOf(inputs[0], inputs[1]), ...ruleOf(attributes) };
  return [spec, inputs.map((value, at) => (narrow.includes(at) ? to.convert(value, 'bfloat16') : value))];
}

const narrowed = ({ shape }: ValueType): ValueType => ({ dtype: 'bfloat16', shape });

const forward: Rule = (call) => {
  const { to, types } = call;
  const [spec, inputs] = given(call, [0, 1, 2]);
  const kernel = forwardKernel(spec, tilingOf('forward', spec));
  const [y, logs] = callKernel(to, kernel, inputs, [narrowed(types[0]), types[1]]);
  return [to.convert(y, types[0].dtype), logs];
};

const queryGradient: Rule = (call) => {
  const { to, types } = call;
  const [spec, inputs] = given(call, [0, 1, 2, 3]);
  const [dq] = callKernel(to, queryGradientKernel(spec, tilingOf('queries', spec)), inputs, types.map(narrowed));
  return to.convert(dq, types[0].dtype);
};

const keyGradient: Rule = (call) => {
  const { to, types } = call;
  const [spec, inputs] = given(call, [0, 1, 2, 3]);
  const both = callKernel(to, keyGradientKernel(spec, tilingOf('keys', spec)), inputs, types.map(narrowed));
  return both.map((value, i) => to.convert(value, types[i].dtype));
};

/** Attention as kernels of NVIDIA's processors. */
export const attention: Rules = {
  [ATTENTION]: forward,
  [QUERY_GRADIENT]: queryGradient,
  [KEY_GRADIENT]: keyGradient,
};
