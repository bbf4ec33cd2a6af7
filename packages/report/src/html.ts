const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML's own text, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

/** A value as JSON within a script element: nothing in it can end the element, or a line of JavaScript. */
export function embedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<\u2028\u2029]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Five significant digits for readers; counts as integers. */
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
  /** A heading of its row. */
  readonly heading?: boolean;
}

export function textCell(text: string, options: Omit<Cell, 'html'> = {}): Cell {
  return { html: escapeHtml(text), ...options };
}

/** A table with a caption, column heads and rows. */
export function htmlTable(caption: string, head: readonly Cell[], rows: readonly (readonly Cell[])[]): string {
  const attributes = ({ numeric, best }: Cell): string => {
    const classes = [numeric ? 'number' : '', best ? 'best' : ''].filter(Boolean).join(' ');
    return classes ? ` class="${classes}"` : '';
  };
  const cell = (one: Cell): string =>
    one.heading
      ? `<th scope="row"${attributes(one)}>${one.html}</th>`
      : `<td${attributes(one)}>${one.html}${one.best ? '<span class="sr"> (best)</span>' : ''}</td>`;
  const titles = head.map((one) => `<th scope="col"${attributes(one)}>${one.html}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n');
  return `<div class="scroll"><table><caption>${escapeHtml(caption)}</caption>
<thead><tr>${titles}</tr></thead>
<tbody>${body}</tbody></table></div>`;
}
