const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes text for HTML, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

/** Encodes a value as JSON inside a script element: it can end neither the element nor a line of JavaScript. */
export function embedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<\u2028\u2029]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Formats a number with five significant digits; counts as integers. */
export function formatNumber(value: number | null | undefined): string {
  if (value === undefined) return '';
  if (value === null || !Number.isFinite(value)) return 'not a number';
  if (Number.isInteger(value)) return value.toLocaleString('en');
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en');
  return size < 0.001 ? value.toExponential(2) : String(Number(value.toPrecision(5)));
}

/** 4000 → `1 h 6 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export interface Cell {
  /** Already HTML. */
  readonly html: string;
  readonly numeric?: boolean;
  readonly best?: boolean;
  /** Whether it is its row's heading. */
  readonly heading?: boolean;
  /** The value by which the column is sorted. Default: the text. */
  readonly value?: number;
  /** For the head of a column: which values are best among the rows shown. */
  readonly better?: 'less' | 'more';
  /** Index of the run to which the cell (with `heading`, its whole row) belongs: hiding the run hides it. */
  readonly run?: number;
}

export interface TableOptions {
  /** Whether readers may sort it by a column. */
  readonly sortable?: boolean;
}

export function textCell(text: string, options: Omit<Cell, 'html'> = {}): Cell {
  return { html: escapeHtml(text), ...options };
}

/** A table with a caption, column heads and rows. The page's script reads its data attributes. */
export function htmlTable(
  caption: string,
  head: readonly Cell[],
  rows: readonly (readonly Cell[])[],
  { sortable = false }: TableOptions = {},
): string {
  const attributes = ({ numeric, best, value, better, run, heading }: Cell): string => {
    const classes = [numeric ? 'number' : '', best ? 'best' : ''].filter(Boolean).join(' ');
    const data = { value: Number.isFinite(value) ? value : undefined, better, run: heading ? undefined : run };
    return [
      classes && ` class="${classes}"`,
      ...Object.entries(data).map(([name, own]) => (own === undefined ? '' : ` data-${name}="${own}"`)),
    ].join('');
  };
  const cell = (one: Cell): string =>
    one.heading
      ? `<th scope="row"${attributes(one)}>${one.html}</th>`
      : `<td${attributes(one)}>${one.html}${one.best ? '<span class="sr"> (best)</span>' : ''}</td>`;
  const row = (cells: readonly Cell[]): string => {
    const run = cells.find(({ heading }) => heading)?.run;
    return `<tr${run === undefined ? '' : ` data-run="${run}"`}>${cells.map(cell).join('')}</tr>`;
  };
  const titles = head.map((one) => `<th scope="col"${attributes(one)}>${one.html}</th>`).join('');
  const label = escapeHtml(caption);
  return `<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table${sortable ? ' data-sortable' : ''}><caption>${label}</caption>
<thead><tr>${titles}</tr></thead>
<tbody>${rows.map(row).join('\n')}</tbody></table></div>`;
}
