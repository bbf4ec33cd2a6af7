// Runs the built command again and again in one process, as `shared-process.ts` asks for it.
'use strict';
const { join } = require('node:path');
const cli = join(__dirname, '..', '..', '..', 'packages', 'cli');
const { main } = require(join(cli, 'dist', 'program.js'));

/** Each command masks what a process of its own would, and not the secrets of those before it. */
function forgetSecrets() {
  const known = globalThis[Symbol.for('@graft/core redact')];
  known.forms = [];
  known.names.clear();
  known.warned.clear();
}

process.on('message', async ({ args, cwd, environment }) => {
  const before = { ...process.env };
  forgetSecrets();
  process.chdir(cwd);
  Object.assign(process.env, environment);
  process.argv = [process.execPath, join(cli, 'bin', 'graft.js'), ...args];
  const status = await main(process.argv);
  for (const name of Object.keys(environment)) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
  process.send(status);
});
