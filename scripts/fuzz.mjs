// npm run fuzz [target ...] [--minutes N] [--seed S]: tries mutated files on every reader of what comes from elsewhere; see
// test/fuzz/run.mjs, which takes the same arguments and does not build.
import { build, installPackages } from './prepare.mjs';

installPackages();
await build();
await import('../test/fuzz/run.mjs');
