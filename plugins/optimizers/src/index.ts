export * from './adamw-update';
export { AdamW, adamwOptions, type AdamWOptions } from './adamw';
export { Adafactor, type AdafactorOptions } from './adafactor';
export { Lion, type LionOptions } from './lion';

export {
  constantSchedule,
  cosineSchedule,
  inverseSquareRootSchedule,
  linearSchedule,
  type ConstantOptions,
  type DecayingOptions,
} from './schedules';
export { plugin } from './plugin';
export { plugin as default } from './plugin';
