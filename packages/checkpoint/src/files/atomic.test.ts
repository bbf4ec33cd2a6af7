import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { writeFailure, WriteProblem } from './atomic';

it('a full disk is explained with the space that was free when the write failed, not after the removal', async () => {
  const target = join(temporaryFolder(), 'x.safetensors');
  const cause = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  const problem = new WriteProblem(target, 2e9, cause);
  Object.defineProperty(problem, 'freeBytes', { value: 1e6 });
  const { message, code } = await writeFailure(target, `${target}.tmp`, problem);
  expect(code).toBe('checkpoint.disk-full');
  expect(message).toMatch(/the disk is full; it takes \S+ \S+, and \S+ \S+ were free\.$/);
});
