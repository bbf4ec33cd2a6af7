export { plugin, plugin as default } from './plugin';
export {
  PreferenceEvaluator,
  preferenceEvaluatorOptions,
  type PreferenceEvaluatorOptions,
  type ResolvedPreferenceEvaluatorOptions,
} from './evaluators/preference-evaluator';
export { Dpo, dpoOptions, type DpoOptions, type ResolvedDpoOptions } from './objectives/dpo';
export { PREFERENCE_LOSSES, preferenceLosses, type PreferenceLossSettings } from './loss/preference-loss';
export { Reference, referenceOption, type ReferenceOption } from './reference/reference';
export {
  OnPolicyDistillation,
  onPolicyOptions,
  type OnPolicyOptions,
  type ResolvedOnPolicyOptions,
} from './objectives/on-policy-distillation';
export { AlignedTeacher, type TeacherLogits } from './distillation/aligned-teacher';
export { generalizedJsd } from './loss/generalized-jsd';
