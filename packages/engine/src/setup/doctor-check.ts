/** What the doctor found out about one thing that Graft needs. */
export interface DoctorCheck {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What to do, where something is wrong. */
  readonly advice?: string;
}
