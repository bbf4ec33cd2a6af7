/**
 * Normal numbers by the ziggurat method (Marsaglia and Tsang, 2000; the area under the curve is divided into 128 layers
 * of equal size): four in five cost one 32-bit draw, a comparison and a product, a tenth of the cost of a logarithm and
 * a cosine. Layer and position within it come from different bits (Doornik, 2005).
 */
const LAYERS = 128;
/** Where the tail begins, and the size of a layer. */
const TAIL = 3.442619855899;
const AREA = 9.91256303526217e-3;

/** Right edges of the layers, outermost first, and the curve's height there. */
const EDGES = new Float64Array(LAYERS + 1);
/** Below this fraction of its width, a layer is entirely under the curve. */
const INNER = new Float64Array(LAYERS);

const height = (x: number): number => Math.exp(-0.5 * x * x);

EDGES[0] = AREA / height(TAIL);
EDGES[1] = TAIL;
for (let i = 2; i < LAYERS; i++) EDGES[i] = Math.sqrt(-2 * Math.log(AREA / EDGES[i - 1] + height(EDGES[i - 1])));
EDGES[LAYERS] = 0;
for (let i = 0; i < LAYERS; i++) INNER[i] = EDGES[i + 1] / EDGES[i];

/**
 * Fills `target` with normal numbers of that deviation, from the generator xoshiro128** (see random.ts) whose four
 * words are `state`; afterwards it is the state after the last draw. The common case is inlined, with the state in
 * local variables, because models have hundreds of millions of numbers.
 */
export function fillNormal(target: Float32Array, standardDeviation: number, state: Uint32Array): void {
  let [a, b, c, d] = [state[0] | 0, state[1] | 0, state[2] | 0, state[3] | 0];
  for (let i = 0; i < target.length; i++) {
    const scaled = Math.imul(b, 5);
    const bits = Math.imul((scaled << 7) | (scaled >>> 25), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    const layer = bits & (LAYERS - 1);
    // 25 bits in (-1, 1), symmetric about 0.
    const place = ((bits >>> 7) + 0.5) / 0x1000000 - 1;
    if (Math.abs(place) < INNER[layer]) {
      target[i] = standardDeviation * place * EDGES[layer];
      continue;
    }
    [state[0], state[1], state[2], state[3]] = [a, b, c, d];
    target[i] = standardDeviation * atEdge(layer, place, state);
    [a, b, c, d] = [state[0] | 0, state[1] | 0, state[2] | 0, state[3] | 0];
  }
  [state[0], state[1], state[2], state[3]] = [a, b, c, d];
}

/** The number for a position that may be above the curve: accepted or drawn again. */
function atEdge(layer: number, place: number, state: Uint32Array): number {
  for (;;) {
    if (Math.abs(place) < INNER[layer]) return place * EDGES[layer];
    if (layer === 0) return tail(place < 0, state);
    const x = place * EDGES[layer];
    const [low, high] = [height(EDGES[layer]), height(EDGES[layer + 1])];
    if (low + uniform(state) * (high - low) < height(x)) return x;
    const bits = next(state);
    layer = bits & (LAYERS - 1);
    place = ((bits >>> 7) + 0.5) / 0x1000000 - 1;
  }
}

/** Beyond the outermost edge, by Marsaglia's rejection. */
function tail(negative: boolean, state: Uint32Array): number {
  for (;;) {
    const x = Math.log(uniform(state)) / TAIL;
    if (-2 * Math.log(uniform(state)) >= x * x) return negative ? x - TAIL : TAIL - x;
  }
}

/** In (0, 1). */
const uniform = (state: Uint32Array): number => (next(state) + 0.5) / 0x100000000;

/** xoshiro128** (Blackman and Vigna, 2018): the next 32 bits, from 0 up. */
export function next(state: Uint32Array): number {
  const scaled = Math.imul(state[1], 5);
  const scrambled = Math.imul((scaled << 7) | (scaled >>> 25), 9) >>> 0;
  const shifted = state[1] << 9;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = (state[3] << 11) | (state[3] >>> 21);
  return scrambled;
}
