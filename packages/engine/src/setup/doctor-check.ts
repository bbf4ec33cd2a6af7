/** The doctor's result about one thing that Graft needs. */
export interface DoctorCheck {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What to do if something is wrong. */
  readonly advice?: string;
}

/** A device that a target computes on. */
export interface DoctorDevice {
  /** As "NVIDIA H100 80GB HBM3" or "cpu". */
  readonly kind: string;
  /** As the plugin names it: "CudaDevice(id=0)". */
  readonly name: string;
  /** Its memory, where the plugin reports it. */
  readonly memoryBytes?: number;
}

/** The doctor's result about a target that an engine could compute on. */
export interface DoctorTarget {
  readonly target: 'tensorflow' | 'pjrt' | 'portable';
  /** The kind of device, as `engine.device` names it; undefined for an unknown plugin that does not open. */
  readonly device?: string;
  readonly usable: boolean;
  /** What it is; where it is not usable, the reason as one sentence. */
  readonly detail: string;
  /** What to do if it is not usable. */
  readonly advice?: string;
  /** Of a PJRT plugin. */
  readonly devices?: readonly DoctorDevice[];
  /** The shared library of a PJRT plugin, and where it was found. */
  readonly plugin?: string;
  readonly origin?: 'option' | 'environment' | 'cache' | 'python';
}
