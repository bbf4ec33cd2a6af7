// The StableHLO that facts.mjs and rates.mjs compile.
//   client.compile(product(8192, 'bf16'))

const module = (name, parameters, results, lines) => `module @${name} {
  func.func public @main(${parameters.join(', ')}) -> (${results.join(', ')}) {
${lines.map((line) => `    ${line}`).join('\n')}
  }
}`;
const square = (n, type) => `tensor<${n}x${n}x${type}>`;

export function product(n, type) {
  const t = square(n, type);
  return module(
    'product',
    [`%a: ${t}`, `%b: ${t}`],
    [t],
    [`%0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] : (${t}, ${t}) -> ${t}`, `return %0 : ${t}`],
  );
}

/** A square of sines, which depend on a number: values that are neither alike nor random. */
export function waves(n, type) {
  const t = square(n, 'f32');
  return module(
    'waves',
    ['%s: tensor<f32>'],
    [square(n, type)],
    [
      `%i = stablehlo.iota dim = 0 : ${t}`,
      `%j = stablehlo.iota dim = 1 : ${t}`,
      `%c = stablehlo.constant dense<12.9898> : ${t}`,
      `%d = stablehlo.constant dense<78.233> : ${t}`,
      `%start = stablehlo.broadcast_in_dim %s, dims = [] : (tensor<f32>) -> ${t}`,
      `%0 = stablehlo.multiply %i, %c : ${t}`,
      `%1 = stablehlo.multiply %j, %d : ${t}`,
      `%2 = stablehlo.add %0, %1 : ${t}`,
      `%3 = stablehlo.add %2, %start : ${t}`,
      `%4 = stablehlo.sine %3 : ${t}`,
      `%5 = stablehlo.convert %4 : (${t}) -> ${square(n, type)}`,
      `return %5 : ${square(n, type)}`,
    ],
  );
}

/** The sum of two vectors; donated, it takes the place of the first. */
export function sum(n, { donated = false } = {}) {
  const t = `tensor<${n}xf32>`;
  return module(
    'sum',
    [`%a: ${t}${donated ? ' {tf.aliasing_output = 0 : i32}' : ''}`, `%b: ${t}`],
    [t],
    [`%0 = stablehlo.add %a, %b : ${t}`, `return %0 : ${t}`],
  );
}

export const counted = (n) =>
  module(
    'counted',
    [],
    [`tensor<${n}xf32>`],
    [`%0 = stablehlo.iota dim = 0 : tensor<${n}xf32>`, `return %0 : tensor<${n}xf32>`],
  );

/** A number, repeated; `shape` as in `8x4`. */
export const repeated = (shape) =>
  module(
    'repeated',
    ['%s: tensor<f32>'],
    [`tensor<${shape}xf32>`],
    [
      `%0 = stablehlo.broadcast_in_dim %s, dims = [] : (tensor<f32>) -> tensor<${shape}xf32>`,
      `return %0 : tensor<${shape}xf32>`,
    ],
  );

export const SORT_AND_CHOLESKY = `module @sort_and_cholesky {
  func.func public @main(%a: tensor<4096xf32>, %b: tensor<256x256xf32>) -> (tensor<4096xf32>, tensor<256x256xf32>) {
    %0 = "stablehlo.sort"(%a) ({
      ^bb0(%x: tensor<f32>, %y: tensor<f32>):
      %less = stablehlo.compare LT, %x, %y : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %less : tensor<i1>
    }) {dimension = 0 : i64, is_stable = false} : (tensor<4096xf32>) -> tensor<4096xf32>
    %1 = stablehlo.cholesky %b, lower = true : tensor<256x256xf32>
    return %0, %1 : tensor<4096xf32>, tensor<256x256xf32>
  }
}`;

export const CONVOLUTION = `module @convolution {
  func.func public @main(%a: tensor<8x64x64x32xf32>, %b: tensor<3x3x32x32xf32>) -> tensor<8x64x64x32xf32> {
    %0 = stablehlo.convolution(%a, %b)
      dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f],
      window = {stride = [1, 1], pad = [[1, 1], [1, 1]]}
      {batch_group_count = 1 : i64, feature_group_count = 1 : i64}
      : (tensor<8x64x64x32xf32>, tensor<3x3x32x32xf32>) -> tensor<8x64x64x32xf32>
    return %0 : tensor<8x64x64x32xf32>
  }
}`;

const vector = (result, ...lines) =>
  `module { func.func public @main(%a: tensor<4xf32>) -> tensor<${result}xf32> { ${lines.join(' ')} } }`;
/** Programs that must not compile, by what is wrong with them. */
export const BROKEN = {
  'not MLIR': 'this is no module',
  'unknown operation': vector(4, '%0 = stablehlo.nothing %a : tensor<4xf32>', 'return %0 : tensor<4xf32>'),
  'types that do not fit': vector(5, '%0 = stablehlo.add %a, %a : tensor<5xf32>', 'return %0 : tensor<5xf32>'),
  'without main':
    'module { func.func public @other(%a: tensor<4xf32>) -> tensor<4xf32> { return %a : tensor<4xf32> } }',
  'unknown custom call': vector(
    4,
    '%0 = stablehlo.custom_call @nothing(%a) : (tensor<4xf32>) -> tensor<4xf32>',
    'return %0 : tensor<4xf32>',
  ),
};
