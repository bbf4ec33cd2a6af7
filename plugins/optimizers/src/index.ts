export { plugin, plugin as default } from './plugin';
export { initAdamW, updateAdamW, type AdamWSettings } from './adamw-update';
export { AdamW, adamwOptions, type AdamWOptions, type ResolvedAdamWOptions } from './adamw';
export type { MomentsDtype } from './moments';
export { Adafactor, adafactorOptions, type AdafactorOptions, type ResolvedAdafactorOptions } from './adafactor';
export { Lion, lionOptions, type LionOptions, type ResolvedLionOptions } from './lion';
export {
  constantOptions,
  constantSchedule,
  cosineOptions,
  cosineSchedule,
  inverseSquareRootSchedule,
  linearOptions,
  linearSchedule,
  type ConstantOptions,
  type DecayingOptions,
  type ResolvedConstantOptions,
  type ResolvedDecayingOptions,
} from './schedules';
