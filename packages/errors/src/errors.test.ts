import { CheckpointError, ConfigError, GraftError, UsageError } from './errors';

/** What a second copy of the package, of another version perhaps, exports. */
function anotherCopy(): typeof import('./errors') {
  let copy: typeof import('./errors');
  jest.isolateModules(() => {
    copy = jest.requireActual<typeof import('./errors')>('./errors');
  });
  return copy!;
}

describe('errors of two copies of the package', () => {
  const other = anotherCopy();

  it('each copy recognizes the errors of the other by their class', () => {
    expect(other.CheckpointError).not.toBe(CheckpointError);
    const error: unknown = new other.CheckpointError('cut', { code: 'checkpoint.truncated', hint: 'Copy it again.' });
    expect(error instanceof CheckpointError).toBe(true);
    expect(error instanceof GraftError).toBe(true);
    expect(error instanceof ConfigError).toBe(false);
    expect(new CheckpointError('cut') instanceof other.GraftError).toBe(true);
  });

  it('a subclass of another package is recognized as what it extends, and by nobody as itself', () => {
    class OwnError extends UsageError {}
    class OwnErrorElsewhere extends other.UsageError {}
    expect(new OwnError('no') instanceof other.UsageError).toBe(true);
    expect(new OwnError('no') instanceof OwnError).toBe(true);
    expect(new OwnErrorElsewhere('no') instanceof OwnError).toBe(false);
    expect(new UsageError('no') instanceof OwnError).toBe(false);
  });

  it.each([null, undefined, 'text', {}, new Error('plain'), { code: 'checkpoint.truncated' }])(
    '%p is not an error of Graft',
    (value) => {
      expect(value instanceof GraftError).toBe(false);
    },
  );
});

it('an error has its class as name, its code, and its own properties only', () => {
  const error = new ConfigError('The key is unknown.', { code: 'config.unknown-key' });
  expect({ ...error }).toEqual({ name: 'ConfigError', code: 'config.unknown-key', exitCode: 2, hint: undefined });
});
