import { firstLine, pjrtError } from './errors';

describe('errors of PJRT', () => {
  it.each([
    ['a trace', 'Unknown flag.\n=== Source Location Trace: ===\n./xla/util.h:304', 'Unknown flag'],
    [
      'a title alone in its line',
      'E0102: Mismatch:\nparameter 1 is small\nSee x',
      'E0102: Mismatch: parameter 1 is small',
    ],
    ['nothing else', 'no', 'no'],
  ])('of a message with %s, the first sentence is shown', (_, message, line) => {
    expect(firstLine(message)).toBe(line);
  });

  it('running out of memory says what to lower', () => {
    const error = pjrtError(
      'LoadedExecutable_Execute',
      8,
      'Out of memory while trying to allocate 8.00GiB with allocator GPU_0_bfc on device 0.',
    );
    expect(error).toMatchObject({
      code: 'engine.out-of-memory',
      message:
        'The program does not run: Out of memory while trying to allocate 8.00GiB with allocator GPU_0_bfc on device 0.',
      hint: expect.stringContaining('smaller batches') as string,
    });
  });

  it.each([
    [13, 'CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered'],
    [13, 'CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered'],
    [14, 'The connection is gone'],
  ])('status %d with "%s" is a lost device', (status, message) => {
    expect(pjrtError('Event_Await', status, message)).toMatchObject({
      code: 'engine.device-lost',
      message: `The device is lost: ${message}.`,
    });
  });

  it('a compiler without ptxas is a compile error, not a lost device', () => {
    const message = 'No PTX compilation provider is available. Neither ptxas/nvlink nor nvjtlink is available.';
    expect(pjrtError('Client_Compile', 14, message).code).toBe('engine.compile');
  });

  it('what a plugin does not support is said to be unsupported', () => {
    expect(pjrtError('Device_MemoryStats', 12, 'GetAllocatorStats is not supported.')).toMatchObject({
      code: 'engine.unsupported',
      message: 'This PJRT plugin does not support PJRT_Device_MemoryStats: GetAllocatorStats is not supported.',
    });
  });
});
