'use strict';

// `node --require` this file to run the packages' TypeScript sources as they are, in a process of its own.
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { transformSync } = require('@swc/core');

const root = path.resolve(__dirname, '..', '..', '..');
const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  const match = /^@graft\/(engine|checkpoint|core)$/.exec(request);
  return resolve.call(this, match ? path.join(root, 'packages', match[1], 'src', 'index.ts') : request, ...rest);
};

Module._extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: false },
      target: 'es2022',
    },
    // `import()` stays one: only so can CommonJS load an ES module.
    module: { type: 'commonjs', ignoreDynamic: true },
    sourceMaps: false,
  });
  module._compile(code, filename);
};
