import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { charts, type Chart } from './charts';
import { clientScript, type ClientData, type PageUpdate } from './page-script';
import { embedJson, escapeHtml } from './html';
import { frontierSection } from './frontier/section';
import { changedRowsSection } from './rows/section';
import type { RunData } from './read-run';
import { COLORS, DASHES, STYLE, swatch } from './style';
import { differences, evaluationTables, runsTable } from './tables';
import { shortTitles } from './titles';

/** ECharts' build with lines, axes and tooltips: 0.7 MB, embedded in the page so that it does not need a network. */
const ECHARTS = require.resolve('echarts/dist/echarts.common.min.js');

/** Marks a page that a report may overwrite. */
export const GENERATOR = 'graft report';

/** How a page differs from one that a report writes to a file. */
export interface PageOptions {
  /** Whether the page follows its server, `graft report --watch`. */
  readonly live?: boolean;
}

/** The page about some runs, as self-contained HTML. `leftOut`: a sentence for each run that it cannot show. */
export function renderReport(
  runs: readonly RunData[],
  leftOut: readonly string[] = [],
  { live = false }: PageOptions = {},
): string {
  const { heading, sections, charts: all, frontier } = renderSections(runs, leftOut);
  const section = (id: string): string => `<section id="${id}">${sections[id]}</section>`;
  const hasLegend = live || runs.length > 1;
  const scripts = [...(all.length > 0 || frontier || live ? [readFileSync(ECHARTS, 'utf8')] : []), clientScript()];
  const data: ClientData = { charts: all, frontier, colors: COLORS, dashes: DASHES, live };
  const written = live ? 'Served by graft report --watch' : `Written by graft report, ${minute(new Date())} UTC`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="${GENERATOR}">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy(scripts, live)}">
<title>Graft: ${escapeHtml(heading)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header><h1 id="heading">${escapeHtml(heading)}</h1><p class="faint">${written}${live ? ' <span id="live" role="status"></span>' : ''}</p></header>
<div class="page${hasLegend ? ' several' : ''}">
${hasLegend ? `<nav class="legend" aria-label="Runs shown" id="legend">${sections.legend}</nav>` : ''}
<main>
${section('runs')}
${section('evaluations')}
${section('frontier')}
${section('changed')}
<section aria-label="Curves"${all.length > 0 || live ? '' : ' hidden'}><h2>Curves</h2>${SWITCHES}<div id="cards">${sections.cards}</div></section>
${all.length > 0 || live ? '' : '<p class="faint">These runs have no metrics to draw.</p>'}
${section('configs')}
</main>
</div>
<div class="sr" id="reading" role="status" aria-live="polite"></div>
<script type="application/json" id="data">${embedJson(data)}</script>
${scripts.map((script) => `<script>${script}</script>`).join('\n')}
</body>
</html>
`;
}

/** The parts of the page that change with the runs, as HTML by element id. */
export function renderSections(runs: readonly RunData[], leftOut: readonly string[] = []): PageUpdate {
  const titles = shortTitles(runs);
  const all = charts(runs, titles);
  const tables = evaluationTables(runs, titles);
  const frontier = frontierSection(runs, titles);
  const heading = runs.length === 1 ? runs[0].title : `${runs.length} runs`;
  const missing = leftOut.map((sentence) => `<p>Left out: ${escapeHtml(sentence)}</p>`).join('');
  return {
    heading,
    charts: rounded(all),
    ...(frontier.data && { frontier: rounded(frontier.data) }),
    sections: {
      heading: escapeHtml(heading),
      legend: legend(titles),
      runs: `${runsTable(runs)}${missing}`,
      evaluations: tables.length > 0 ? `<h2>Evaluations</h2>${tables.join('\n')}` : '',
      frontier: frontier.html,
      changed: changedRowsSection(runs, titles),
      cards: cards(all),
      configs: `<h2>Configs</h2>
${differences(runs, titles).join('\n')}
${runs.map(configDetails).join('\n')}`,
    },
  };
}

const minute = (time: Date): string => time.toISOString().slice(0, 16).replace('T', ' ');

/** The page loads nothing and runs only its own scripts, whatever a run's files contain. */
function contentPolicy(scripts: readonly string[], live: boolean): string {
  const hashes = scripts.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  const own = live ? " connect-src 'self';" : '';
  return `default-src 'none'; script-src ${hashes.join(' ')}; style-src 'unsafe-inline'; img-src data:;${own} base-uri 'none'; form-action 'none'`;
}

/** Rounds numbers to nine digits: more than a screen shows, and half as long in JSON. */
function rounded<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value, (_, inner: unknown) =>
      typeof inner === 'number' && !Number.isInteger(inner) ? Number(inner.toPrecision(9)) : inner,
    ),
  ) as T;
}

const AXES: Readonly<Record<string, string>> = {
  steps: 'steps',
  samples: 'samples',
  tokens: 'tokens',
  seconds: 'seconds',
};

const SWITCHES = `<div class="switches">
<fieldset><legend>Against</legend>${Object.entries(AXES)
  .map(
    ([axis, title]) =>
      `<label><input type="radio" name="axis" value="${axis}" data-switch${axis === 'steps' ? ' checked' : ''}> ${title}</label>`,
  )
  .join('')}</fieldset>
<label><input type="checkbox" name="compiling" data-switch> seconds without compiling</label>
<label><input type="checkbox" name="logarithmic" data-switch> logarithmic</label>
<label><input type="checkbox" name="smooth" data-switch checked> smoothed</label>
<fieldset><legend>Zoom</legend><label>from <input type="number" step="any" name="from" data-range></label><label>to <input type="number" step="any" name="to" data-range></label><button type="button" data-reset disabled>Reset zoom</button></fieldset>
</div>
<p class="note" id="how">Drag over a chart to zoom, double-click to reset. With the keyboard: Tab to a chart, arrow keys read values, + and - zoom, 0 resets.</p>
`;

function legend(titles: readonly string[]): string {
  const items = titles.map(
    (title, run) =>
      `<li><label><input type="checkbox" data-show="${run}" checked>${swatch(run)}<span class="name">${escapeHtml(title)}</span></label></li>`,
  );
  return `<details open><summary><span data-shown>${titles.length} of ${titles.length} runs shown</span></summary>
<button type="button" data-all="show">All</button> <button type="button" data-all="hide">None</button>
<ul>${items.join('')}</ul></details>`;
}

const GROUPS: readonly { readonly section: Chart['section']; readonly title: string }[] = [
  { section: 'model', title: '' },
  { section: 'speed', title: 'Throughput and time' },
  { section: 'hardware', title: 'Hardware' },
];

function cards(all: readonly Chart[]): string {
  const card = ({ id, title, unit, note }: Chart, isWide: boolean): string => {
    const measured = unit ? ` <span class="unit">${escapeHtml(unit)}</span>` : '';
    const remark = note ? `<p class="note">${escapeHtml(note)}</p>` : '';
    return `<figure class="chart${isWide ? ' wide' : ''}"><h3>${escapeHtml(title)}${measured}</h3>${remark}<div class="drawing" id="${id}" tabindex="0" role="group" aria-roledescription="chart" aria-describedby="how" aria-label="${escapeHtml(title)}"></div></figure>`;
  };
  return GROUPS.map(({ section, title }) => {
    const own = all.filter((one) => one.section === section);
    if (own.length === 0) return '';
    const drawn = own.map((one) => card(one, one === all[0])).join('\n');
    return `<div data-group>${title ? `<h4>${title}</h4>` : ''}<div class="charts">${drawn}</div></div>`;
  }).join('');
}

function configDetails({ title, folder, config }: RunData, run: number): string {
  return `<details data-run="${run}"><summary>${escapeHtml(title)}</summary><p class="faint">${escapeHtml(folder)}</p><pre>${escapeHtml(JSON.stringify(config, null, 2))}</pre></details>`;
}
