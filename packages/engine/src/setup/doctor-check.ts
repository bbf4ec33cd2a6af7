/** The doctor's result about one thing that Graft needs. */
export interface DoctorCheck {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What to do if something is wrong. */
  readonly advice?: string;
}
