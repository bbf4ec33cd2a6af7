export { plugin, plugin as default } from './plugin';
export {
  ScratchInitializer,
  scratchOptions,
  type ResolvedScratchOptions,
  type ScratchOptions,
} from './scratch-initializer';
export { SCRATCH_SIZE_NAMES, SCRATCH_SIZES } from './presets';
