/// <reference types="@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops" preserve="true" />
/**
 * The tfjs-core API that everything is written in, with every gradient, the chained operations and the JavaScript
 * backend. One copy of core serves all: the kernels of `vendor/` import it by the same name.
 */
import * as tf from '@tensorflow/tfjs-core';
import '../vendor/gradients';
import '../vendor/backend-cpu';

export { tf };
