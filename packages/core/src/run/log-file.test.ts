import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { temporaryFolder } from '@graft/test-support';
import { rememberSecret } from '../secrets/redact';
import { LogFile } from './log-file';

const without = (text: string): string => text.replaceAll(/^\S+Z /gm, '');

it('the log has every line without colours and secrets, also those from before there was a folder', () => {
  const folder = temporaryFolder();
  const printed: string[] = [];
  const log = new LogFile();
  const logger = log.tee(pino({ level: 'warn' }, { write: (line) => void printed.push(line) }));
  rememberSecret('abcdefgh-secret');
  logger.info('early %d', 3);
  log.open(folder);
  logger.warn('\u001b[33mwarned\u001b[0m of abcdefgh-secret');
  logger.child({}).error(new Error('two\nlines'));
  logger.debug('not kept');
  log.close();
  expect(without(readFileSync(join(folder, 'log.txt'), 'utf8'))).toBe(
    'INFO  early 3\nWARN  warned of ***\nERROR two\n  lines\n',
  );
  expect(printed).toHaveLength(2);
});

it('a log whose folder is replaced writes nothing to the new one', () => {
  const folder = join(temporaryFolder(), 'run');
  mkdirSync(folder);
  const log = new LogFile();
  log.open(folder);
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
  log.add('info', 'late');
  log.close();
  expect(readdirSync(folder)).toEqual([]);
  expect(() => new LogFile().open(join(folder, 'none'))).not.toThrow();
});
