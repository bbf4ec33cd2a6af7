import { ConfigError, GraftError } from '@graft/engine';
import { statSync } from 'node:fs';
import { describeError } from './report-error';

function thrownBy(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('describeError', () => {
  it('says what the library says, with what to do on a line of its own', () => {
    expect(describeError(new GraftError('It broke.', { hint: 'Mend it.' }), false)).toEqual({
      text: 'graft: It broke.\nMend it.\n',
      exitCode: 1,
    });
    expect(describeError(new ConfigError('It is wrong.'), false).exitCode).toBe(2);
  });

  it('says what the system means', () => {
    const error = thrownBy(() => statSync('/nowhere/at/all'));
    expect(describeError(error, false)).toEqual({
      text: 'graft: /nowhere/at/all: there is no such file or folder.\n',
      exitCode: 1,
    });
  });

  it('knows what V8 says when memory has run out', () => {
    const { text } = describeError(new RangeError('Array buffer allocation failed'), false);
    expect(text).toMatch(/^graft: there is not enough memory \(Array buffer allocation failed\)\.\nEnd other programs/);
  });

  it('admits a mistake, and shows stacks and causes on demand only', () => {
    const error = new TypeError('x is not a function', { cause: new Error('deeper') });
    const short = describeError(error, false);
    expect(short.text).toMatch(/^graft: x is not a function\n.*--debug/);
    expect(short.text).not.toContain('at ');
    const long = describeError(error, true).text;
    expect(long).toMatch(/^TypeError: x is not a function\n +at /m);
    expect(long).toMatch(/^Caused by: Error: deeper\n +at /m);
  });

  it('has something to say about anything', () => {
    expect(describeError('text', false).text).toMatch(/^graft: text\n/);
    expect(describeError(new Error(''), false).text).toMatch(/^graft: an error without a message/);
  });
});
