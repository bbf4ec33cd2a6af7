import { Secret } from '../secrets/secret';
import { commandLine } from './command-line';

const of = (...words: string[]): string => commandLine(['/usr/bin/node', '/x/bin/graft.js', ...words], {});

it('a command line is shown as one would type it', () => {
  expect(of('run', 'my config.yaml', '--set', "name=it's", '--quiet')).toBe(
    `graft run 'my config.yaml' --set 'name=it'\\''s' --quiet`,
  );
  expect(commandLine(['/usr/bin/node', 'train.mjs', 'a'], {})).toBe('node train.mjs a');
});

it('secrets in overrides and addresses are masked, however they are written', () => {
  expect(of('run', '--set', 'trackers.0.token=abc')).toBe("graft run --set 'trackers.0.token=***'");
  expect(of('run', '--set=trackers.0.token=abc')).toBe("graft run '--set=trackers.0.token=***'");
  expect(of('run', '--set', 'trackers=[{ use: mlflow, password: abc }]')).toBe("graft run --set 'trackers=***'");
  expect(of('run', '--set', 'trackers.0.trackingUri=http://ann:pw@host:1')).not.toContain('pw');
  expect(of('run', '--set', 'trackers.0.token={ env: NAME }')).toContain('{ env: NAME }');
});

it('a short secret of the config is masked whatever its key is called', () => {
  const config = { trackers: [{ use: 'post', pin: new Secret('1x3') }] };
  const words = ['node', 'graft', 'run', '--set', 'trackers.0.pin=1x3', '--set', 'train.steps=3'];
  expect(commandLine(words, config)).toBe("graft run --set 'trackers.0.pin=***' --set train.steps=3");
});
