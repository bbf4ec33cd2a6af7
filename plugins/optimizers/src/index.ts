export * from './adamw-update';
export { AdamW, type AdamWOptions } from './adamw';
export { matchesName } from './match-name';
export {
  constantSchedule,
  cosineSchedule,
  linearSchedule,
  type ConstantOptions,
  type DecayingOptions,
} from './schedules';
export { plugin } from './plugin';
export { plugin as default } from './plugin';
