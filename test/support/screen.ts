/** The lines that a terminal of this width shows after such an output: knows what a status line uses, and wrapping. */
export function screenAfter(output: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let [row, column] = [0, 0];
  const goDown = (): void => {
    row++;
    if (row === rows.length) rows.push([]);
  };
  for (const [part, control] of output.matchAll(/(\p{Cc}\[[0-9;?]*[A-Za-z]|\r|\n)|[^\p{Cc}]/gu)) {
    if (control === '\r') column = 0;
    else if (control === '\n') goDown();
    else if (control === '\x1b[2K') rows[row] = [];
    else if (control === '\x1b[K') rows[row].length = Math.min(rows[row].length, column);
    else if (control === undefined) {
      if (column === columns) {
        goDown();
        column = 0;
      }
      while (rows[row].length < column) rows[row].push(' ');
      rows[row][column++] = part;
    }
  }
  const lines = rows.map((cells) => cells.join('').trimEnd());
  while (lines.at(-1) === '') lines.pop();
  return lines;
}
