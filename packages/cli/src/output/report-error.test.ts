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
  it('a GraftError prints its message and its hint on a line of its own', () => {
    expect(describeError(new GraftError('It broke.', { hint: 'Mend it.' }), false)).toEqual({
      text: 'graft: It broke.\nMend it.\n',
      exitCode: 1,
    });
    expect(describeError(new ConfigError('It is wrong.'), false).exitCode).toBe(2);
  });

  it('a system error is described in words with its path', () => {
    const error = thrownBy(() => statSync('/nowhere/at/all'));
    expect(describeError(error, false)).toEqual({
      text: 'graft: /nowhere/at/all: there is no such file or folder.\n',
      exitCode: 1,
    });
  });

  it("V8's out-of-memory errors are described with advice", () => {
    const { text } = describeError(new RangeError('Array buffer allocation failed'), false);
    expect(text).toMatch(/^graft: there is not enough memory \(Array buffer allocation failed\)\.\nEnd other programs/);
  });

  it('an unexpected error is reported as a bug, with stacks and causes only for --debug', () => {
    const error = new TypeError('x is not a function', { cause: new Error('deeper') });
    const short = describeError(error, false);
    expect(short.text).toMatch(/^graft: x is not a function\n.*--debug/);
    expect(short.text).not.toContain('at ');
    const long = describeError(error, true).text;
    expect(long).toMatch(/^TypeError: x is not a function\n +at /m);
    expect(long).toMatch(/^Caused by: Error: deeper\n +at /m);
  });

  it('an unexpected error names the code outside Graft that it comes from', () => {
    const frames = (...locations: string[]): Error => {
      const error = new TypeError('x is not a function');
      error.stack = ['TypeError: x is not a function', ...locations.map((place) => `    at ${place}`)].join('\n');
      return error;
    };
    const [library, plugin, own] = [
      'fn (/home/me/node_modules/zod/index.js:1:2)',
      'Bad.init (/home/me/bad.ts:12:5)',
      `begin (${__dirname}/main.js:113:37)`,
    ];
    expect(describeError(frames('node:fs:1:2', library, plugin, own), false).text).toBe(
      'graft: x is not a function\nIt comes out of /home/me/bad.ts:12:5, which is not part of Graft; --debug shows how.\n',
    );
    expect(describeError(frames('async file:///home/me/bad.mjs:3:1', own), false).text).toContain(
      '/home/me/bad.mjs:3:1,',
    );
    expect(describeError(frames(library, own, plugin), false).text).toContain('This is a mistake in Graft');
  });

  it('any thrown value is described', () => {
    expect(describeError('text', false).text).toMatch(/^graft: text\n/);
    expect(describeError(undefined, false).text).toMatch(/^graft: undefined was thrown, which is not an error\.\n/);
    expect(describeError({ a: 1 }, false).text).toMatch(/^graft: \{ a: 1 \} was thrown/);
    expect(describeError(new Error(''), false).text).toMatch(/^graft: an error without a message/);
  });
});
