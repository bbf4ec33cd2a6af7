/**
 * Normal numbers by the ziggurat method (Marsaglia and Tsang, 2000; the area under the curve is cut into 128 layers of one
 * size): four in five cost one 32-bit draw, a comparison and a product, which is a tenth of a logarithm and a cosine. Layer and
 * place within it come from different bits (Doornik, 2005).
 */
const LAYERS = 128;
/** Where the tail begins, and the size of a layer. */
const TAIL = 3.442619855899;
const AREA = 9.91256303526217e-3;

/** Right edges of the layers, outermost first, and the curve's height there. */
const EDGES = new Float64Array(LAYERS + 1);
/** Below this share of its width a layer lies wholly under the curve. */
const INNER = new Float64Array(LAYERS);

const height = (x: number): number => Math.exp(-0.5 * x * x);

EDGES[0] = AREA / height(TAIL);
EDGES[1] = TAIL;
for (let i = 2; i < LAYERS; i++) EDGES[i] = Math.sqrt(-2 * Math.log(AREA / EDGES[i - 1] + height(EDGES[i - 1])));
EDGES[LAYERS] = 0;
for (let i = 0; i < LAYERS; i++) INNER[i] = EDGES[i + 1] / EDGES[i];

/** Fills `target` with normal numbers of that deviation. `next`: uniform 32-bit integers, from 0 up. */
export function fillNormal(target: Float32Array, standardDeviation: number, next: () => number): void {
  for (let i = 0; i < target.length; i++) target[i] = standardDeviation * normal(next);
}

function normal(next: () => number): number {
  for (;;) {
    const bits = next();
    const layer = bits & (LAYERS - 1);
    // 25 bits in (-1, 1), symmetric about 0.
    const place = ((bits >>> 7) + 0.5) / 0x1000000 - 1;
    if (Math.abs(place) < INNER[layer]) return place * EDGES[layer];
    if (layer === 0) return tail(next, place < 0);
    const x = place * EDGES[layer];
    const [low, high] = [height(EDGES[layer]), height(EDGES[layer + 1])];
    if (low + uniform(next) * (high - low) < height(x)) return x;
  }
}

/** Beyond the outermost edge, by Marsaglia's rejection. */
function tail(next: () => number, negative: boolean): number {
  for (;;) {
    const x = Math.log(uniform(next)) / TAIL;
    if (-2 * Math.log(uniform(next)) >= x * x) return negative ? x - TAIL : TAIL - x;
  }
}

/** In (0, 1). */
const uniform = (next: () => number): number => (next() + 0.5) / 0x100000000;
