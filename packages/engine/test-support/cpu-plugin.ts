import { describeIf } from '@graft/test-support';
import { cpuPluginFile } from '../src/targets/pjrt/setup';

/** Tests on the PJRT plugin for CPUs, which `npm test` fetches into the cache; the body gets its file. */
export function describePjrt(name: string, body: (plugin: string) => void): void {
  const file = cpuPluginFile();
  const reason = "the PJRT plugin for CPUs is not in Graft's cache; npm test fetches it where pip works";
  describeIf(file !== undefined, reason, name, () => body(file ?? ''));
}
