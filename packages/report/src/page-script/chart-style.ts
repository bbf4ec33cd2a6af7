import type { ChartStyle, ClientData } from './types';

/** Colours of charts in the reader's scheme. Its source text is embedded in the page: it uses nothing outside itself but types. */
export function chartStyle({ colors }: Pick<ClientData, 'colors'>): ChartStyle {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  return {
    colorOf: (color) => {
      const palette = dark.matches ? colors.dark : colors.light;
      return palette[color % palette.length];
    },
    tones: () =>
      dark.matches
        ? { ink: '#c9d1d9', line: '#30363d', ground: '#0d1117' }
        : { ink: '#444c56', line: '#d8dee4', ground: '#ffffff' },
    onChange: (redraw) => dark.addEventListener('change', redraw),
  };
}
