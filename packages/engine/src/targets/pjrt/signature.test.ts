import { argumentsOfMain } from './signature';

const f32 = { dtype: 'float32', shape: [4] };

describe('the arguments of @main in StableHLO text', () => {
  it.each([
    ['none', 'func.func public @main() -> tensor<f32>', []],
    ['a number', 'func.func @main(%a: tensor<f32>)', [{ type: { dtype: 'float32', shape: [] }, donated: false }]],
    [
      'a donated and another one',
      'func.func public @main(%a: tensor<4xf32> {tf.aliasing_output = 0 : i32}, %b: tensor<4xf32>) -> (tensor<4xf32>)',
      [
        { type: f32, donated: true },
        { type: f32, donated: false },
      ],
    ],
    [
      'every kind of attribute',
      'module @m { func.func @main(%a: tensor<8x2xbf16> {jax.buffer_donor = true, mhlo.sharding = "{devices=[4,1]<=[4]}, tf.aliasing_output = 1"}, ' +
        '%b: tensor<3xui8, #enc<a -> b>> {sdy.sharding = #sdy.sharding<@mesh, [{"x"}, {}]>, mhlo.x = "(tf.aliasing_output = 1)"} loc("b)")) -> tensor<f32>',
      [
        { type: { dtype: 'bfloat16', shape: [8, 2] }, donated: true },
        { type: { dtype: 'uint8', shape: [3] }, donated: false },
      ],
    ],
    [
      'slices of a mesh',
      'module @m { sdy.mesh @mesh = <["data"=4, "model"=2]> func.func @main(%a: tensor<8x6xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"data"}, {"model"}]>}, ' +
        '%b: tensor<16xi32> {sdy.sharding = #sdy.sharding<@mesh, [{"data", "model"}]>, tf.aliasing_output = 0 : i32}, %c: tensor<3xf32> {sdy.sharding = #sdy.sharding<@mesh, [{}]>}) -> tensor<f32>',
      [
        { type: { dtype: 'float32', shape: [2, 3] }, donated: false },
        { type: { dtype: 'int32', shape: [2] }, donated: true },
        { type: { dtype: 'float32', shape: [3] }, donated: false },
      ],
    ],
    [
      'complex numbers',
      '@main(%a: tensor<2xcomplex<f32>>)',
      [{ type: { dtype: 'complex64', shape: [2] }, donated: false }],
    ],
    [
      'shapes and dtypes that Graft does not have',
      '@main(%a: tensor<?x4xf32>, %b: tensor<4xf8E4M3FN>, %c: !stablehlo.token)',
      [1, 2, 3].map(() => ({ type: undefined, donated: false })),
    ],
  ])('%s', (_, text, expected) => {
    expect(argumentsOfMain(text)).toEqual(expected);
  });

  it.each(['', 'module { func.func @other(%a: tensor<f32>) }', '@main(%a: tensor<f32>'])(
    'are not known of "%s"',
    (text) => {
      expect(argumentsOfMain(text)).toBeUndefined();
    },
  );
});
