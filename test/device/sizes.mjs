// The published sizes and what a step must compute: as test/peers/device/sizes.py.
import { SIZES as PUBLISHED, VOCABULARY_SIZE } from '@graft/gemma';

const TINY = { layers: 2, hidden: 64, feedForward: 128, heads: 4, keyValueHeads: 2, headDim: 16 };
/** The peers' scripts write the sizes in capitals. */
const published = (size) => ({ ...size, vocabulary: VOCABULARY_SIZE, source: 1024, target: 1024 });

/** Each side of a pair, its vocabulary, and the tokens of an example. */
export const SIZES = {
  tiny: { ...TINY, vocabulary: 1024, source: 64, target: 64 },
  ...Object.fromEntries(Object.entries(PUBLISHED).map(([name, size]) => [name.toUpperCase(), published(size)])),
};

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
