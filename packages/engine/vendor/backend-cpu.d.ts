/** Registers tfjs's JavaScript backend, `cpu`. */
export {};
