/**
 * The tfjs-core API that everything is written in. tfjs's own union package is what its Node kernels import, so taking
 * it here keeps one copy of the engine singleton; it also registers every gradient and the chained operations.
 */
import * as tf from '@tensorflow/tfjs';

export { tf };
