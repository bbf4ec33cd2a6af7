/**
 * The colours of Okabe and Ito, which nearly everybody can distinguish; black and yellow are replaced for dark and
 * light backgrounds.
 */
export const COLORS: readonly string[] = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#7f7f7f',
  '#8c6bb1',
];

export const STYLE = `
:root { --ground: #ffffff; --panel: #f6f8fa; --ink: #1f2328; --faint: #59636e; --line: #d8dee4; --accent: #0072b2; --best: #dff3e4; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --panel: #161b22; --ink: #e6edf3; --faint: #9198a1; --line: #30363d; --accent: #56b4e9; --best: #12361f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem clamp(1rem, 3vw, 3rem) 4rem; max-width: 1500px; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; } h3 { font-size: .95rem; margin: 0 0 .4rem; font-weight: 600; }
p.faint, .unit { color: var(--faint); } .unit { font-weight: 400; }
.switches { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; margin: .4rem 0 1rem; } fieldset { border: 0; padding: 0; margin: 0; display: flex; gap: .2rem .9rem; flex-wrap: wrap; }
legend { float: left; padding: 0 .9rem 0 0; color: var(--faint); } label { cursor: pointer; } input { accent-color: var(--accent); } :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr)); }
.chart { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .8rem; min-width: 0; } .chart.wide { grid-column: 1 / -1; }
.drawing { width: 100%; height: 280px; } .chart.wide .drawing { height: 380px; }
.scroll { overflow-x: auto; margin: 0 0 1.2rem; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 .4rem; } th, td { padding: .35rem .8rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; font-weight: 400; }
thead th { color: var(--faint); border-bottom-width: 2px; white-space: nowrap; } tbody th { white-space: nowrap; } .number { text-align: right; white-space: nowrap; } .best { background: var(--best); font-weight: 600; }
td { overflow-wrap: anywhere; min-width: 4rem; max-width: 28rem; } .dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .5em; }
details { margin: 0 0 .8rem; } summary { cursor: pointer; } pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .8rem; overflow-x: auto; font-size: 13px; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media print { body { max-width: none; padding: 0; } .switches { display: none; } .chart { break-inside: avoid; } }
`;
