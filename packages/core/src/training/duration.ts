let compact: Intl.NumberFormat | undefined;

/** `12.3K` */
export function formatCompact(value: number): string {
  // Made at the first use: it takes 8 ms.
  compact ??= new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
  return compact.format(value);
}

/** `12s`, `1m05s`, `2h04m`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return `${hours}h${String(minutes).padStart(2, '0')}m`;
  return minutes > 0 ? `${minutes}m${String(rest).padStart(2, '0')}s` : `${rest}s`;
}

/** Estimates the time left from the duration of the steps since the first, which compiles. */
export function timeLeft(to: number, now: () => number = () => performance.now()): (step: number) => string {
  let first: { step: number; at: number } | undefined;
  return (step) => {
    first ??= { step, at: now() };
    if (step >= to) return '0s';
    if (step === first.step) return '?';
    return formatDuration(((now() - first.at) / 1000 / (step - first.step)) * (to - step));
  };
}
