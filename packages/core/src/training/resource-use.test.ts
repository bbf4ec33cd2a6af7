import { measureResources } from './resource-use';

test('a step that computes has used the processor, and the memory of the process is known', () => {
  const end = measureResources();
  let sum = 0;
  for (let i = 0; i < 20_000_000; i++) sum += Math.sqrt(i);
  const { residentMemoryBytes, cpuCores } = end();
  expect(sum).toBeGreaterThan(0);
  expect(cpuCores).toBeGreaterThan(0);
  expect(Number.isFinite(cpuCores)).toBe(true);
  expect(residentMemoryBytes).toBeGreaterThan(1 << 20);
  expect(Number.isInteger(residentMemoryBytes)).toBe(true);
});
