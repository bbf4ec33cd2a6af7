/**
 * The tfjs-core API that all code uses. tfjs's Node kernels import its union package, so importing that one here keeps
 * a single copy of the engine singleton; it also registers every gradient and the chained operations.
 */
import * as tf from '@tensorflow/tfjs';

export { tf };
