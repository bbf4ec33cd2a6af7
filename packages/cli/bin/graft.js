#!/usr/bin/env node
'use strict';
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const main = join(__dirname, '..', 'dist', 'main.js');
if (existsSync(main)) {
  require(main);
} else {
  process.stderr.write(
    'graft: not built yet. Run `npm start`, or `npm ci && npm run build`, in the repository root.\n',
  );
  process.exitCode = 1;
}
