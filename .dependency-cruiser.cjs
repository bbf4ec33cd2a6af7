'use strict';

// `npm run lint` holds these rules on imports, type imports included. Arrows point to the left, as docs/architecture.md draws them.

const [ERRORS, FILES] = ['packages/errors', 'packages/files'];
const [ENGINE, CHECKPOINT, CORE] = ['packages/engine', 'packages/checkpoint', 'packages/core'];
const [REPORT, CLI, PLUGINS] = ['packages/report', 'packages/cli', 'plugins/[^/]+'];
const TESTING = 'packages/testing';

/** What each package may import, itself aside; its tests too. */
const PACKAGES = {
  [ERRORS]: [],
  [FILES]: [ERRORS],
  [ENGINE]: [ERRORS, FILES],
  [CHECKPOINT]: [ERRORS, FILES],
  [CORE]: [ERRORS, FILES, ENGINE, CHECKPOINT],
  [TESTING]: [ENGINE, CORE],
  [REPORT]: [ENGINE, CHECKPOINT, CORE],
  [PLUGINS]: [ENGINE, CHECKPOINT, CORE, TESTING, PLUGINS],
  [CLI]: [ERRORS, FILES, ENGINE, CHECKPOINT, CORE, TESTING, PLUGINS, REPORT],
  'examples/[^/]+': [ENGINE, CHECKPOINT, CORE, TESTING, PLUGINS, REPORT, CLI],
};

const BELOW_COMPONENTS = ['interfaces', 'loss', 'random', 'secrets', 'util'];
const BELOW_DATA = [...BELOW_COMPONENTS, 'components', 'config'];
const BELOW_TRAINING = [...BELOW_DATA, 'data', 'distributed', 'evaluation'];

/** What each folder of core's sources may import, itself aside. */
const FOLDERS_OF_CORE = {
  util: ['secrets'],
  secrets: ['util'],
  random: ['util'],
  interfaces: ['random', 'util'],
  loss: ['interfaces', 'random'],
  components: [...BELOW_COMPONENTS, 'config'],
  config: [...BELOW_COMPONENTS, 'components'],
  data: BELOW_DATA,
  distributed: BELOW_DATA,
  evaluation: BELOW_DATA,
  training: BELOW_TRAINING,
  run: [...BELOW_TRAINING, 'training'],
  models: [...BELOW_TRAINING, 'training'],
  tasks: [...BELOW_TRAINING, 'training', 'models'],
  sweep: [...BELOW_TRAINING, 'training', 'run', 'models'],
};

const TARGETS = `${ENGINE}/src/targets`;
/** What is below every target in the engine's sources: code is traced, and programs are made, without one. */
const BELOW_TARGETS = ['autodiff', 'foreign', 'kernels', 'mesh', 'program', 'target', 'trace'];

const ANY_PACKAGE = '^((?:packages|plugins|examples)/[^/]+)/';
/** Tests and what is there for tests alone. */
const TESTS = ['\\.test\\.ts$', '/test/', '/test-support/'];
/** For the tests of all packages, as `@graft/test-support`. */
const SHARED_SUPPORT = '^test/support/index\\.ts$';

const inAny = (folders) => folders.map((folder) => `^${folder}/`);

module.exports = {
  forbidden: [
    {
      name: 'no-circle',
      comment: 'Files import each other in a circle. Move what both need, often a type, to a file below both.',
      severity: 'error',
      from: { pathNot: '\\.test\\.ts$' },
      to: { circular: true },
    },
    ...Object.entries(PACKAGES).map(([folder, allowed]) => ({
      name: `arrows-of-${folder.replace('/[^/]+', '')}`,
      comment: 'The import goes against the arrows between packages.',
      severity: 'error',
      from: { path: `^(${folder})/` },
      to: { path: ANY_PACKAGE, pathNot: ['^$1/', ...inAny(allowed)] },
    })),
    ...Object.entries(FOLDERS_OF_CORE).map(([folder, allowed]) => ({
      name: `arrows-of-core/${folder}`,
      comment: "The import goes against the arrows between the folders of core's sources.",
      severity: 'error',
      from: { path: `^${CORE}/src/${folder}/`, pathNot: TESTS },
      to: { path: `^${CORE}/src/`, pathNot: inAny([folder, ...allowed].map((name) => `${CORE}/src/${name}`)) },
    })),
    {
      name: 'arrows-of-core',
      comment: 'A folder without arrows: give it a place among FOLDERS_OF_CORE.',
      severity: 'error',
      from: {
        path: `^${CORE}/src/[^/]+/`,
        pathNot: inAny(Object.keys(FOLDERS_OF_CORE).map((name) => `${CORE}/src/${name}`)),
      },
      to: {},
    },
    {
      name: 'targets-apart',
      comment: 'A target of the engine imports another. What both need goes below both; only pjrt emits StableHLO.',
      severity: 'error',
      from: { path: `^${TARGETS}/([^/]+)/`, pathNot: TESTS },
      to: { path: `^${TARGETS}/[^/]+/`, pathNot: [`^${TARGETS}/$1/`, `^${TARGETS}/stablehlo/`] },
    },
    {
      name: 'stablehlo-is-for-pjrt',
      comment: 'Only the target that compiles StableHLO imports it.',
      severity: 'error',
      from: { path: '.', pathNot: [...TESTS, `^${TARGETS}/(pjrt|stablehlo)/`] },
      to: { path: `^${TARGETS}/stablehlo/` },
    },
    {
      name: 'tracer-knows-no-target',
      comment: 'Tracing, kernels and programs are the same for every target: they import none.',
      severity: 'error',
      from: { path: `^${ENGINE}/src/(${BELOW_TARGETS.join('|')})/`, pathNot: TESTS },
      to: { path: `^${TARGETS}/` },
    },
    {
      name: 'by-name-from-other-packages',
      comment:
        'A relative path leads out of the package. Import by name: `@graft/core`, in tests `@graft/test-support`.',
      severity: 'error',
      from: { path: ANY_PACKAGE },
      to: { path: '^(packages|plugins|examples|test|scripts)/', pathNot: '^$1/', dependencyTypesNot: ['aliased'] },
    },
    {
      name: 'public-entrances',
      comment: 'The import reaches into another package. Import what its index.ts exports.',
      severity: 'error',
      from: { path: ANY_PACKAGE },
      to: {
        path: ANY_PACKAGE,
        pathNot: [
          '^$1/',
          '/src/(index|internal)\\.ts$',
          `^${CORE}/src/secrets/redact\\.ts$`,
          '^plugins/[^/]+/test-support/',
        ],
      },
    },
    {
      name: 'internals-are-ours',
      comment: 'An example shows what others may use: internals change without notice.',
      severity: 'error',
      from: { path: '^examples/' },
      to: { path: '/src/internal\\.ts$' },
    },
    {
      name: 'no-tests-in-sources',
      comment: 'A source imports a test, or what is there for tests alone.',
      severity: 'error',
      from: { path: ANY_PACKAGE, pathNot: TESTS },
      to: { path: ['^test/', ...TESTS] },
    },
    {
      name: 'suite-for-tests',
      comment: 'The conformance suite and its toys are for tests: no source of a plugin imports them.',
      severity: 'error',
      from: { path: ANY_PACKAGE, pathNot: [...TESTS, `^${TESTING}/`, `^${CLI}/templates/`] },
      to: { path: `^${TESTING}/` },
    },
    {
      name: 'support-of-tests',
      comment: 'Tests of packages use of test/ only `@graft/test-support`.',
      severity: 'error',
      from: { path: ANY_PACKAGE },
      to: { path: '^test/', pathNot: SHARED_SUPPORT },
    },
    {
      name: 'support-is-below-all',
      comment: 'Tests of every package use it: it may import none of them.',
      severity: 'error',
      from: { path: SHARED_SUPPORT },
      to: { path: [ANY_PACKAGE, '^test/'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|node_modules)/' },
    tsConfig: { fileName: 'tsconfig.tests.json' },
    // Type imports count.
    tsPreCompilationDeps: true,
  },
};
