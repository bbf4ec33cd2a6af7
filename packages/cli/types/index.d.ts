/**
 * What programs and configs import from `@graft/cli`. With it come the options of all components of Graft's own plugins: a
 * config in TypeScript is checked down to them.
 */
import './components';

export { defaultPlugins, defineExperiment, main, type ExperimentInput, type MainStreams } from '../dist/index';
