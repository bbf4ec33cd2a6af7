/** Registers tfjs's WebAssembly backend, `wasm`, whose binaries are in this folder. */
export {};
