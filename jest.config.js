'use strict';

// The native library reads it when it loads, from the real environment: tests have a copy.
process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';

// Tests run on the TypeScript sources: `@graft/x` is that package's src/index.ts. Only end-to-end tests use the build.
const swc = [
  '@swc/jest',
  {
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: false },
      target: 'es2022',
    },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  },
];

module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/packages', '<rootDir>/plugins', '<rootDir>/test', '<rootDir>/examples'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: [
    '/node_modules/',
    '/dist/',
    ...(process.env.GRAFT_SLOW ? [] : ['\\.slow\\.test\\.ts$']),
    // `npm run test:peers` alone runs them, whether or not their Python is there.
    ...(process.env.GRAFT_PEERS_VENV ? [] : ['<rootDir>/test/peers/']),
  ],
  modulePathIgnorePatterns: ['/dist/', '<rootDir>/examples/.*/node_modules/'],
  // Parquet's reader and the parser of Oniguruma's expressions are ES modules, which jest's `import()` does not load.
  transform: {
    '^.+\\.ts$': swc,
    '/node_modules/(hyparquet|hyparquet-\\w+|hysnappy|fzstd|oniguruma-parser)/.+\\.js$': swc,
  },
  transformIgnorePatterns: ['/node_modules/(?!hyparquet|hysnappy|fzstd|oniguruma-parser)'],
  moduleNameMapper: {
    '^@graft/test-support$': '<rootDir>/test/support/index.ts',
    '^@graft/gemma/test-support/(.+)$': '<rootDir>/plugins/gemma/test-support/$1.ts',
    '^@graft/core/redact$': '<rootDir>/packages/core/src/secrets/redact.ts',
    '^@graft/(engine|checkpoint|core)/internal$': '<rootDir>/packages/$1/src/internal.ts',
    '^@graft/gemma/internal$': '<rootDir>/plugins/gemma/src/internal.ts',
    '^@graft/(errors|files|engine|checkpoint|core|report|testing)$': '<rootDir>/packages/$1/src/index.ts',
    '^@graft/(gemma|scratch|objectives|optimizers|text|superglue|benchmarks|tuning|mlflow|tensorboard)$':
      '<rootDir>/plugins/$1/src/index.ts',
    // It has no entry for `require`.
    '^oniguruma-parser/parser$': '<rootDir>/node_modules/oniguruma-parser/dist/parser/parse.js',
    '^@graft/cli$': '<rootDir>/packages/cli/src/index.ts',
  },
  testTimeout: 120_000,
  testSequencer: '<rootDir>/scripts/longest-first.cjs',
};
