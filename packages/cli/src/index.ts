export { main, type MainStreams } from './program';
export { defaultPlugins } from './default-plugins';
