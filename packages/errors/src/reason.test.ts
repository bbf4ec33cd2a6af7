import { runInNewContext } from 'node:vm';
import { messageOf } from './reason';

test.each([
  ['an error', new RangeError('too long'), 'too long'],
  ['an error of another realm', runInNewContext('new TypeError("too short")') as unknown, 'too short'],
  ['what is made like an error', { message: 'gone' }, 'gone'],
  ['a text', 'no', 'no'],
  ['nothing', undefined, 'undefined'],
])('the message of %s is found', (_, thrown, message) => {
  expect(messageOf(thrown)).toBe(message);
});
