/**
 * Colours of runs, close to those of Okabe and Ito, which almost all readers can distinguish; each has a contrast of at
 * least 3:1 with the panels of its scheme. After eight runs they repeat, with other dashes.
 */
export const COLORS: { readonly light: readonly string[]; readonly dark: readonly string[] } = {
  light: ['#0072b2', '#c85200', '#008764', '#b8508f', '#9a6a00', '#1c8fc4', '#6a737d', '#7a56a8'],
  dark: ['#4aa3df', '#f0803c', '#2fbf93', '#e39ac4', '#e6b34a', '#8fd3f7', '#a8b0b8', '#b494dc'],
};

/** Lengths of strokes and gaps in pixels, by how many times the colours have repeated; none: solid. */
export const DASHES: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

/** A short sample of a run's line, in the style of its curves. */
export function swatch(run: number): string {
  const count = COLORS.light.length;
  const dashes = DASHES[Math.floor(run / count) % DASHES.length].join(' ');
  const pattern = dashes ? ` stroke-dasharray="${dashes}"` : '';
  return `<svg class="swatch" width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" stroke="var(--run-${run % count})" stroke-width="3"${pattern}/></svg>`;
}

const variables = (colors: readonly string[]): string => colors.map((color, i) => `--run-${i}: ${color};`).join(' ');

export const STYLE = `
:root { --ground: #ffffff; --panel: #f6f8fa; --ink: #1f2328; --faint: #59636e; --line: #d8dee4; --accent: #0072b2; --best: #dff3e4; color-scheme: light dark; ${variables(COLORS.light)} }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --panel: #161b22; --ink: #e6edf3; --faint: #9198a1; --line: #30363d; --accent: #56b4e9; --best: #12361f; ${variables(COLORS.dark)} } }
* { box-sizing: border-box; } [hidden] { display: none !important; }
body { margin: 0 auto; padding: 2rem clamp(.8rem, 3vw, 3rem) 4rem; max-width: 1600px; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; } h3 { font-size: .95rem; margin: 0 0 .4rem; font-weight: 600; overflow-wrap: anywhere; } h4 { font-size: 1rem; margin: 1.6rem 0 .6rem; }
.faint, .unit { color: var(--faint); } .unit { font-weight: 400; } .note { color: var(--faint); font-size: 13px; margin: 0 0 .4rem; }
.page { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 2rem; } .page.several { grid-template-columns: 15rem minmax(0, 1fr); }
.legend { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: .6rem 0; font-size: 14px; z-index: 5; background: var(--ground); }
.legend summary { font-weight: 600; } .legend ul { list-style: none; margin: .4rem 0; padding: 0; } .legend label { display: flex; gap: .5em; align-items: center; padding: .15rem .2rem; border-radius: 4px; } .legend label:hover { background: var(--panel); } .legend .name { overflow-wrap: anywhere; min-width: 0; } .legend input { flex: none; }
.swatch { flex: none; vertical-align: middle; margin-right: .5em; } .legend .swatch { margin: 0; }
button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .15rem .6rem; cursor: pointer; } button:disabled { opacity: .5; cursor: default; }
.switches { display: flex; flex-wrap: wrap; gap: .5rem 1.6rem; margin: .4rem 0 1rem; align-items: center; } fieldset { border: 0; padding: 0; margin: 0; display: flex; gap: .2rem .9rem; flex-wrap: wrap; align-items: center; min-width: 0; }
fieldset legend { float: left; padding: 0 .9rem 0 0; color: var(--faint); } label { cursor: pointer; } select { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: .1rem .3rem; max-width: min(28rem, 80vw); } input { accent-color: var(--accent); } input[type=number] { font: inherit; width: 7em; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: .1rem .4rem; } :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); }
.chart { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .8rem; margin: 0; min-width: 0; } .chart.wide { grid-column: 1 / -1; }
.drawing { position: relative; width: 100%; height: 270px; touch-action: pan-y; } .chart.wide .drawing { height: 380px; } .selection { position: absolute; background: var(--accent); opacity: .18; pointer-events: none; z-index: 2; }
.reading { font-size: 13px; line-height: 1.35; max-width: min(22rem, 70vw); white-space: normal; } .reading div { display: flex; gap: .5em; align-items: center; } .reading .name { flex: 1; overflow-wrap: anywhere; min-width: 0; } .reading .value { font-variant-numeric: tabular-nums; font-weight: 600; white-space: nowrap; } .reading .more { color: var(--faint); }
.scroll { position: relative; overflow-x: auto; margin: 0 0 1.2rem; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 .4rem; overflow-wrap: anywhere; } th, td { padding: .35rem .8rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; font-weight: 400; }
thead th { color: var(--faint); border-bottom-width: 2px; white-space: nowrap; } .number { text-align: right; white-space: nowrap; } .best { background: var(--best); font-weight: 600; }
thead button { background: none; border: 0; padding: 0; white-space: nowrap; } thead button::after { content: ' ↕'; opacity: .35; } th[aria-sort=ascending] button::after { content: ' ↑'; opacity: 1; } th[aria-sort=descending] button::after { content: ' ↓'; opacity: 1; }
tbody th { min-width: 9rem; max-width: 22rem; overflow-wrap: break-word; position: sticky; left: 0; background: var(--ground); z-index: 1; } td { overflow-wrap: anywhere; min-width: 4rem; max-width: 28rem; }
details { margin: 0 0 .8rem; } summary { cursor: pointer; overflow-wrap: anywhere; } pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .8rem; overflow-x: auto; font-size: 13px; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 900px) { .page.several { grid-template-columns: minmax(0, 1fr); } .legend { border-bottom: 1px solid var(--line); max-height: 55vh; } .legend details { margin: 0; } }
@media (max-width: 500px) { body { padding-top: 1rem; } th, td { padding: .3rem .5rem; } tbody th { overflow-wrap: anywhere; min-width: 7rem; max-width: 40vw; } .chart { padding: .6rem .5rem; } .chart.wide .drawing { height: 300px; } }
@media print { body { max-width: none; padding: 0; } .switches, .legend { display: none; } .page.several { grid-template-columns: minmax(0, 1fr); } .chart { break-inside: avoid; } }
`;
