/** The used parts of picomatch, which has no types of its own. */
declare module 'picomatch' {
  function picomatch(pattern: string, options?: { readonly dot?: boolean }): (path: string) => boolean;
  export = picomatch;
}
