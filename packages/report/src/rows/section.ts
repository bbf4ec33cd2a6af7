import { escapeHtml, formatNumber, htmlTable, textCell, type Cell } from '../html';
import type { RunData } from '../read-run';
import { changedRows, type ChangedRow, type TaskChanges } from './changed-rows';

/** Rows shown of each kind and task. */
const MOST_SHOWN = 25;

const count = (value: number): Cell => textCell(formatNumber(value), { numeric: true, value });

/** How many rows changed sides between models, and which; empty if no two runs have answered the same task. */
export function changedRowsSection(runs: readonly RunData[], titles: readonly string[]): string {
  const all = changedRows(runs);
  if (all.length === 0) return '';
  const hasUnmatched = all.some(({ unmatched }) => unmatched > 0);
  const head = [
    textCell('Task'),
    textCell('From'),
    textCell('To'),
    ...['Both right', 'Gained', 'Lost', 'Both wrong', ...(hasUnmatched ? ['Only one has it'] : []), 'p (McNemar)'].map(
      (title) => textCell(title, { numeric: true }),
    ),
  ];
  const body = all.map((one) => [
    textCell(one.task, { heading: true, run: one.after }),
    textCell(titles[one.before], { run: one.before }),
    textCell(titles[one.after]),
    count(one.bothRight),
    count(one.gained.length),
    count(one.lost.length),
    count(one.bothWrong),
    ...(hasUnmatched ? [count(one.unmatched)] : []),
    textCell(one.pValue < 0.001 ? '< 0.001' : one.pValue.toFixed(3), { numeric: true, value: one.pValue }),
  ]);
  return `<h2>Rows that changed sides</h2>
${htmlTable('Rows right and wrong', head, body, { sortable: all.length > 1 })}
<p class="note">Every run is compared with the first that has answered the task. Rows with a score between 0 and 1 count as right from 0.5 on. p: how often a fair coin would divide the changed rows at least as unevenly.</p>
${all.map((one) => details(one, titles)).join('\n')}`;
}

function details(one: TaskChanges, titles: readonly string[]): string {
  const { task, before, after, lost, gained } = one;
  if (lost.length + gained.length === 0) return '';
  const shown = (kind: string, rows: readonly ChangedRow[]): Cell[][] =>
    rows
      .slice(0, MOST_SHOWN)
      .map(({ before: from, after: to }) => [
        textCell(from.id, { heading: true }),
        textCell(kind),
        textCell(from.prompt),
        textCell(from.target),
        textCell(from.answer),
        textCell(to.answer),
      ]);
  const left = [lost, gained].reduce((sum, rows) => sum + Math.max(0, rows.length - MOST_SHOWN), 0);
  const table = htmlTable(
    `${task}: rows that changed sides`,
    ['Row', '', 'Prompt', 'Target', titles[before], titles[after]].map((title) => textCell(title)),
    [...shown('gained', gained), ...shown('lost', lost)],
  );
  const more = left > 0 ? `<p class="note">${formatNumber(left)} more are in the records of the runs.</p>` : '';
  return `<details data-run="${after}"><summary>${escapeHtml(`${task}: ${titles[before]} → ${titles[after]}, ${gained.length} gained and ${lost.length} lost`)}</summary>${table}${more}</details>`;
}
