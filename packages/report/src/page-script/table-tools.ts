import type { TableTools } from './types';

/**
 * Sorts tables, hides the rows and columns of runs, and marks the best of the rows shown. Its source text is embedded in
 * the page: it uses nothing outside itself but types.
 */
export function tableTools(): TableTools {
  /** By caption, so that a replaced table stays sorted. */
  const sorted = new Map<string, { title: string; direction: 'ascending' | 'descending' }>();

  const captionOf = (table: HTMLTableElement): string => table.caption?.textContent ?? '';
  const headsOf = (table: HTMLTableElement): HTMLTableCellElement[] => Array.from(table.tHead?.rows[0]?.cells ?? []);
  const rowsOf = (table: HTMLTableElement): HTMLTableRowElement[] => Array.from(table.tBodies[0]?.rows ?? []);
  const numberOf = (cell: HTMLTableCellElement | undefined): number | undefined =>
    cell?.dataset.value === undefined ? undefined : Number(cell.dataset.value);

  const sort = (table: HTMLTableElement): void => {
    const order = sorted.get(captionOf(table));
    const heads = headsOf(table);
    const column = heads.findIndex((head) => head.textContent === order?.title);
    for (const [i, head] of heads.entries())
      head.setAttribute('aria-sort', order && i === column ? order.direction : 'none');
    if (!order || column < 0) return;
    const rows = rowsOf(table);
    const isNumeric = rows.some((row) => numberOf(row.cells[column]) !== undefined);
    const sign = order.direction === 'ascending' ? 1 : -1;
    const textOf = (row: HTMLTableRowElement): string => row.cells[column].textContent ?? '';
    rows.sort((a, b) => {
      if (!isNumeric) return sign * textOf(a).localeCompare(textOf(b), 'en', { numeric: true });
      const [x, y] = [numberOf(a.cells[column]), numberOf(b.cells[column])];
      // Rows without a number come last in both directions.
      if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
      return sign * (x - y);
    });
    table.tBodies[0].append(...rows);
  };

  const addButtons = (table: HTMLTableElement): void => {
    for (const head of headsOf(table)) {
      if (head.querySelector('button')) continue;
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...Array.from(head.childNodes));
      head.append(button);
      button.addEventListener('click', () => {
        const title = head.textContent ?? '';
        const before = sorted.get(captionOf(table));
        const first = head.dataset.better === 'more' ? 'descending' : 'ascending';
        const other = before?.direction === 'ascending' ? 'descending' : 'ascending';
        sorted.set(captionOf(table), { title, direction: before?.title === title ? other : first });
        sort(table);
      });
    }
  };

  /** Marks the best values, as the server does when all rows are shown. */
  const markBest = (table: HTMLTableElement): void => {
    for (const [column, head] of headsOf(table).entries()) {
      const { better } = head.dataset;
      if (better === undefined) continue;
      const cells = rowsOf(table)
        .filter((row) => !row.hidden)
        .map((row) => row.cells[column]);
      const values = cells.map(numberOf).filter((value) => value !== undefined);
      const best = better === 'less' ? Math.min(...values) : Math.max(...values);
      for (const row of rowsOf(table)) {
        const cell = row.cells[column];
        const isBest = values.length > 1 && !row.hidden && numberOf(cell) === best;
        cell.classList.toggle('best', isBest);
        cell.querySelector('.sr')?.remove();
        if (!isBest) continue;
        const mark = document.createElement('span');
        mark.className = 'sr';
        mark.textContent = ' (best)';
        cell.append(mark);
      }
    }
  };

  return {
    refresh: (hidden) => {
      for (const element of Array.from(document.querySelectorAll<HTMLElement>('[data-run]')))
        element.hidden = hidden.has(Number(element.dataset.run));
      for (const table of Array.from(document.querySelectorAll('table'))) {
        if (table.hasAttribute('data-sortable')) {
          addButtons(table);
          sort(table);
        }
        markBest(table);
        const rows = rowsOf(table);
        const frame = table.closest<HTMLElement>('.scroll');
        if (frame) frame.hidden = rows.length > 0 && rows.every((row) => row.hidden);
      }
    },
  };
}
