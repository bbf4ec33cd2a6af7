import type { Formatting } from './types';

/** Formats numbers. Its source text is embedded in the page: it uses nothing outside itself but types. */
export function formatting(): Formatting {
  const small = (value: number): boolean => value !== 0 && Math.abs(value) < 1e-3;
  return {
    short: (value) => {
      const size = Math.abs(value);
      if (size >= 1e9) return `${+(value / 1e9).toPrecision(4)}G`;
      if (size >= 1e6) return `${+(value / 1e6).toPrecision(4)}M`;
      if (size >= 1e4) return `${+(value / 1e3).toPrecision(4)}k`;
      return small(value) ? value.toExponential(1) : String(+value.toPrecision(4));
    },
    exact: (value) => {
      if (small(value)) return value.toExponential(3);
      return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : String(+value.toPrecision(5));
    },
  };
}
