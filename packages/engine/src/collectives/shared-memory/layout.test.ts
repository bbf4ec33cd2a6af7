import { Layout, SUM_SLOTS, TRANSFER_SLOTS } from './layout';

test.each([1, 2, 3, 8])('the words and slabs of %d workers do not overlap', (count) => {
  const layout = new Layout(count, 100);
  expect(layout.pieceBytes).toBe(128);
  const ranks = Array.from({ length: count }, (_, rank) => rank);
  const words = [
    ...Array.from({ length: layout.tokenWords }, (_, word) => word),
    ...ranks.flatMap((rank) => [
      layout.bell(rank),
      layout.sleeps(rank),
      layout.contributed(rank),
      layout.added(rank),
      layout.taken(rank),
      layout.left(rank),
      layout.sumSize(rank),
      layout.sumSize(rank) + 1,
      ...ranks.flatMap((to) => [
        layout.sent(rank, to),
        layout.transferSize(rank, to),
        layout.transferSize(rank, to) + 1,
        layout.received(rank, to),
      ]),
    ]),
  ];
  expect(new Set(words).size).toBe(words.length);
  expect(Math.max(...words) * 4 + 4).toBeLessThanOrEqual(layout.headBytes);
  const slabs = ranks.flatMap((rank) => [
    ...Array.from({ length: SUM_SLOTS }, (_, slot) => layout.sumSlab(rank, slot)),
    ...Array.from({ length: TRANSFER_SLOTS }, (_, slot) => layout.transferSlab(rank, slot)),
  ]);
  slabs.sort((a, b) => a - b);
  slabs.forEach((start, i) => expect(start).toBe(layout.headBytes + i * layout.pieceBytes));
  expect(layout.bytes).toBe(layout.headBytes + slabs.length * layout.pieceBytes);
});
