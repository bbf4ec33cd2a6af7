/** Registers every gradient and the chained operations (`a.add(b)`); `src/tf.ts` has the types of the latter. */
export {};
