import { join } from 'node:path';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { openEngine, unsupportedPlatformReason } from './index';

// A machine that shows a GPU, whose plugin then cannot be opened.
jest.mock<object>('./targets/pjrt/locate-plugin', () => ({
  ...jest.requireActual<object>('./targets/pjrt/locate-plugin'),
  acceleratorHere: () => 'cuda',
}));

const environment = { ...process.env };
beforeEach(() => {
  process.env.GRAFT_CACHE = join(temporaryFolder(), 'cache');
  process.env.PATH = '/nowhere';
  delete process.env.GRAFT_TENSORFLOW;
  delete process.env.GRAFT_PJRT_PLUGIN;
});
afterEach(() => {
  process.env = { ...environment };
});

const NO_PLUGIN = "No PJRT plugin for cuda is here: neither Graft's cache nor python3 has one.";
const NO_LIBRARY =
  unsupportedPlatformReason() ?? 'The native library is not installed (`graft engine install` fetches it).';

test('auto says everything that it tried before the engine that it opens', async () => {
  expect(await openEngine()).toMatchObject({
    target: 'portable',
    device: 'cpu',
    executor: 'portable',
    fallbackReason: `${NO_PLUGIN} ${NO_LIBRARY}`,
  });
});

test('with the device cpu, auto tries no accelerator', async () => {
  expect(await openEngine({ device: 'cpu' })).toMatchObject({ target: 'portable', fallbackReason: NO_LIBRARY });
});

test('with require, auto fails with the reason of the first that it tried', async () => {
  expect(await failureOf(openEngine({ require: true }))).toMatchObject({
    code: 'engine.pjrt-plugin',
    message: NO_PLUGIN,
  });
  expect(await failureOf(openEngine({ require: true, device: 'cpu' }))).toMatchObject({
    code: 'engine.required',
    message: `Nothing but the portable engine is here, and engine.require refuses it. ${NO_LIBRARY}`,
  });
});

test('a target that is named is opened, or it is an error', async () => {
  expect(await openEngine({ target: 'portable' })).toMatchObject({ target: 'portable', fallbackReason: undefined });
  expect(await failureOf(openEngine({ target: 'tensorflow' }))).toMatchObject({
    code: 'engine.library-missing',
    message: `engine target "tensorflow" needs the native TensorFlow library. ${NO_LIBRARY}`,
  });
});
