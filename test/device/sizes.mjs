// The published sizes and what a step must compute: as test/peers/device/sizes.py.
const ROWS = {
  // layers, width, feed-forward width, heads, key/value heads, width of a head
  tiny: [2, 64, 128, 4, 2, 16],
  S: [8, 512, 1024, 8, 8, 64],
  B: [12, 768, 2048, 12, 12, 64],
  L: [24, 1024, 2816, 16, 16, 64],
  XL: [24, 2048, 5120, 32, 32, 64],
  '2B': [26, 2304, 9216, 8, 4, 256],
};

/** Each side of a pair, its vocabulary, and the tokens of an example. */
export const SIZES = Object.fromEntries(
  Object.entries(ROWS).map(([name, [layers, hidden, feedForward, heads, keyValueHeads, headDim]]) => [
    name,
    {
      layers,
      hidden,
      feedForward,
      heads,
      keyValueHeads,
      headDim,
      vocabulary: name === 'tiny' ? 1024 : 256_000,
      source: name === 'tiny' ? 64 : 1024,
      target: name === 'tiny' ? 64 : 1024,
      window: 4096,
    },
  ]),
);

/** Products of bfloat16 a second, dense, as the data sheets have them, in TFLOP/s: the base of the MFU. */
const PEAK_TFLOPS = { 'H100 PCIe': 756, H100: 989.4, H200: 989.4, GH200: 989.4, A100: 312, L40S: 362, B200: 2250 };

/** Of the longest name that the device's contains; undefined for one that the table does not have. */
export function peakTflops(device) {
  const known = Object.keys(PEAK_TFLOPS).filter((name) => device.includes(name));
  return PEAK_TFLOPS[known.sort((a, b) => b.length - a.length)[0]];
}

/** Operations of a training step: products forward and backward, half of causal attention, nothing twice. */
export function stepFlops(size, batch) {
  const { layers, hidden, feedForward, source, target, vocabulary } = size;
  const queries = size.heads * size.headDim;
  const keys = size.keyValueHeads * size.headDim;
  const projections = hidden * (2 * queries + 2 * keys);
  const encoder = layers * (source * (projections + 3 * hidden * feedForward) + 2 * source * source * queries);
  const cross = target * hidden * 2 * queries + source * hidden * 2 * keys + 2 * target * source * queries;
  const decoder = layers * (target * (projections + 3 * hidden * feedForward) + target * target * queries + cross);
  return 6 * batch * (encoder + decoder + target * hidden * vocabulary);
}
