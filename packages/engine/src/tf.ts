/// <reference types="@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops" preserve="true" />
/**
 * The tfjs-core API that all code uses. tfjs's Node kernels import its union package, so importing that one here keeps
 * a single copy of the engine singleton; it also registers every gradient and the chained operations.
 */
import * as tf from '@tensorflow/tfjs-core';
import '../vendor/gradients';
import '../vendor/backend-cpu';

export { tf };
