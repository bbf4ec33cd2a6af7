/**
 * `@graft/engine/internal`: what Graft's own packages share: shapes, pieces of tensors, and the network of workers.
 * It changes without notice and is not for other plugins.
 */
export { codeFolder } from './setup';
export { installBundle, planInstallation } from './setup/install';
export { filesOf, installedBytes, type Bundle } from './setup/release';
export { hashFile } from './setup/unpack';
export { checkNetwork, controlKey, freeAddresses, freePort, NETWORK_EXPOSURE, parseAddress } from './collectives';
export { readPieces, tensorOfPieces, type PiecewiseTensor } from './pieces';
export { cpuPluginFile, installationPlan } from './targets/pjrt';
export { engineOfWord, withEngineFlags, type EngineFlags } from './target/flags';
export { chooseTarget, ENGINE_DEVICES, ENGINE_MODES, ENGINE_TARGETS } from './target/choose';
export { asIfCompiledOn, expectedDevice } from './expected-device';
export { onThreadEnd } from './threads';
export { elementCount } from './shape';
export { bytesField, integerField, textField, varint } from './foreign/protobuf';
