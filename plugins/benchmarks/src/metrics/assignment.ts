/**
 * The assignment of rows to columns, one to one, with the largest sum of scores: the column of each row. `scores` is a
 * square matrix of finite numbers. The Hungarian method by shortest paths, in time cubic in the number of rows.
 */
export function bestAssignment(scores: readonly (readonly number[])[]): number[] {
  const size = scores.length;
  const cost = (row: number, column: number): number => -scores[row - 1][column - 1];
  // Rows and columns count from 1; column 0 stands for the row that is being assigned.
  const [rowPotentials, columnPotentials] = [new Float64Array(size + 1), new Float64Array(size + 1)];
  const rowOf = new Int32Array(size + 1);
  for (let row = 1; row <= size; row++) {
    const distances = new Float64Array(size + 1).fill(Infinity);
    const cameFrom = new Int32Array(size + 1);
    const isDone = new Uint8Array(size + 1);
    rowOf[0] = row;
    let column = 0;
    while (rowOf[column] !== 0) {
      isDone[column] = 1;
      let next = 0;
      for (let other = 1; other <= size; other++) {
        if (isDone[other]) continue;
        const reduced = cost(rowOf[column], other) - rowPotentials[rowOf[column]] - columnPotentials[other];
        if (reduced < distances[other]) [distances[other], cameFrom[other]] = [reduced, column];
        if (next === 0 || distances[other] < distances[next]) next = other;
      }
      const step = distances[next];
      for (let other = 0; other <= size; other++) {
        if (isDone[other]) {
          rowPotentials[rowOf[other]] += step;
          columnPotentials[other] -= step;
        } else distances[other] -= step;
      }
      column = next;
    }
    for (; column !== 0; column = cameFrom[column]) rowOf[column] = rowOf[cameFrom[column]];
  }
  const columns = Array<number>(size).fill(-1);
  for (let column = 1; column <= size; column++) columns[rowOf[column] - 1] = column - 1;
  return columns;
}
