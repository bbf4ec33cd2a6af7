import { parseSettings } from './settings';

it('texts may follow each other, and minutes decide unless tokens do', () => {
  expect(parseSettings([])).toMatchObject({ minutes: 60, texts: [], overrides: [] });
  expect(parseSettings(['--text', 'a', 'b', '--tokens', '1_000'])).toMatchObject({ texts: ['a', 'b'], tokens: 1000 });
  expect(parseSettings(['--tokens', '5'])!.minutes).toBeUndefined();
  expect(parseSettings(['--help'])).toBeUndefined();
});

it.each([
  [['--minuts', '3'], 'There is no option --minuts; did you mean "minutes"?'],
  [['--minutes', 'ten'], '--minutes should be a number above 0, but is "ten".'],
  [['--minutes', '90'], '--minutes is 90, but 60 at most.'],
  [['--minutes', '3', '--tokens', '5'], 'only one of them can decide'],
  [['--arms', 'gema-adapted'], 'There is no arm "gema-adapted"; did you mean "gemma-adapted"?'],
  [['notes.md'], '"notes.md" belongs to no option.'],
  [['--set', 'gemma-adapted.train.steps=5'], '--minutes or --tokens decide how long every arm trains'],
  [['--set', 'seed'], '--set seed should be KEY=VALUE.'],
  [['--into', 'page.md'], '--into belongs to --table.'],
])('%j is refused with the reason', (args, message) => {
  expect(() => parseSettings(args)).toThrow(message);
});
