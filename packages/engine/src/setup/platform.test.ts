import { unsupportedPlatformReason } from './platform';

describe('unsupportedPlatformReason', () => {
  const good = { platform: 'linux', arch: 'x64', musl: false, flags: new Set(['sse2', 'avx']) };
  test.each([
    ['nothing where it runs', {}, undefined],
    ['nothing where the processor tells nothing', { flags: new Set<string>() }, undefined],
    [
      'other systems',
      { platform: 'darwin', arch: 'arm64' },
      'The native library exists for Linux on x86-64; this machine is darwin on arm64.',
    ],
    ['another C library', { musl: true }, 'The native library needs glibc; this machine has musl.'],
    [
      'an old processor',
      { flags: new Set(['sse2']) },
      'The native library needs a processor with AVX instructions, which this machine lacks.',
    ],
  ])('the reason names %s', (_, difference, sentence) => {
    expect(unsupportedPlatformReason({ ...good, ...difference })).toBe(sentence);
  });
});
