import { readFileSync } from 'node:fs';
import { charts, type Chart } from './charts';
import { drawCharts, type ClientData } from './client';
import { embedJson, escapeHtml } from './html';
import { shortTitles, type RunData } from './read-run';
import { COLORS, STYLE } from './style';
import { differences, evaluationTables, runsTable } from './tables';

/** ECharts' build with lines, axes, legends and tooltips: 0.7 MB, embedded in the page so that it needs no network. */
const ECHARTS = require.resolve('echarts/dist/echarts.common.min.js');

/** Marks a page that a report may overwrite. */
export const GENERATOR = 'graft report';

/** The page about some runs, as self-contained HTML. `leftOut`: a sentence for each run that it cannot show. */
export function renderReport(runs: readonly RunData[], leftOut: readonly string[] = []): string {
  const titles = shortTitles(runs);
  const all = charts(runs, titles);
  const tables = evaluationTables(runs, titles);
  const heading = runs.length === 1 ? runs[0].title : `${runs.length} runs`;
  const data: ClientData = { charts: all, colors: COLORS };
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="${GENERATOR}">
<title>Graft: ${escapeHtml(heading)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escapeHtml(heading)}</h1><p class="faint">Written by graft report, ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC</p></header>
<main>
<section aria-label="Runs">${runsTable(runs, COLORS)}${leftOut.map((sentence) => `<p>Left out: ${escapeHtml(sentence)}</p>`).join('')}</section>
${tables.length > 0 ? `<section><h2>Evaluations</h2>${tables.join('\n')}</section>` : ''}
${all.length > 0 ? chartsSection(all) : '<p class="faint">These runs have no metrics to draw.</p>'}
<section><h2>Configs</h2>
${differences(runs, titles).join('\n')}
${runs.map(configDetails).join('\n')}
</section>
</main>
${all.length > 0 ? scripts(data) : ''}
</body>
</html>
`;
}

function chartsSection(all: readonly Chart[]): string {
  const axes = ['steps', 'tokens', 'seconds'].map(
    (axis, i) =>
      `<label><input type="radio" name="axis" value="${axis}" data-switch${i === 0 ? ' checked' : ''}> ${axis}</label>`,
  );
  const cards = all.map(({ id, title, unit }, i) => {
    const measured = unit ? ` <span class="unit">${escapeHtml(unit)}</span>` : '';
    return `<figure class="chart${i === 0 ? ' wide' : ''}" style="margin:0"><h3>${escapeHtml(title)}${measured}</h3><div class="drawing" id="${id}" role="img" aria-label="${escapeHtml(title)}"></div></figure>`;
  });
  return `<section><h2>Curves</h2>
<div class="switches">
<fieldset><legend>Against</legend>${axes.join('')}</fieldset>
<label><input type="checkbox" name="logarithmic" data-switch> logarithmic</label>
<label><input type="checkbox" name="smooth" data-switch checked> smoothed</label>
</div>
<div class="charts">${cards.join('\n')}</div></section>`;
}

function configDetails({ title, folder, config }: RunData): string {
  return `<details><summary>${escapeHtml(title)}</summary><p class="faint">${escapeHtml(folder)}</p><pre>${escapeHtml(JSON.stringify(config, null, 2))}</pre></details>`;
}

function scripts(data: ClientData): string {
  return `<script>${readFileSync(ECHARTS, 'utf8')}</script>
<script type="application/json" id="data">${embedJson(data)}</script>
<script>(${drawCharts.toString()})(echarts, JSON.parse(document.getElementById('data').textContent));</script>`;
}
