// The order of test files for jest. It knows how long each took in the last run of this checkout; where there was none, it
// goes by their size, which says little: a golden test of eleven lines compiles five programs.
'use strict';
const { default: Sequencer } = require('@jest/test-sequencer');

/** Those that start commands, then those that compile models, then the others. */
const KINDS = [/[\\/]test[\\/]e2e[\\/]/, /[\\/]test[\\/](golden|real)[\\/]/];

const kindOf = ({ path }) => {
  const kind = KINDS.findIndex((folder) => folder.test(path));
  return kind < 0 ? KINDS.length : kind;
};

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    // `duration`: of the last run, which `super.sort` sets.
    if (sorted.filter(({ duration }) => duration !== undefined).length * 2 > sorted.length) return sorted;
    return [...sorted].sort((one, other) => kindOf(one) - kindOf(other));
  }
};
