import type { RandomStream } from '@graft/core';
import type { Diagnostic, TaskId } from './tasks';

/*
 * Rows that look like the benchmark's and whose labels follow from words in them, at varying places: a byte model of a
 * million parameters learns them in a few hundred steps, unlike the real ones.
 */

type Row = Record<string, unknown>;

const pick = <T>(random: RandomStream, from: readonly T[]): T => from[random.integer(from.length)];
const capital = (text: string): string => text[0].toUpperCase() + text.slice(1);

const PEOPLE = [
  'Anna',
  'Ben',
  'Carla',
  'David',
  'Emma',
  'Felix',
  'Greta',
  'Hugo',
  'Ida',
  'Jonas',
  'Karl',
  'Lena',
  'Mia',
  'Nils',
  'Olga',
  'Paul',
];
const PLACES = ['Berlin', 'Lisbon', 'Oslo', 'Paris', 'Rome', 'Vienna', 'Zurich', 'Madrid'];
const THINGS = ['lamp', 'door', 'chair', 'bridge', 'clock', 'piano', 'boat', 'ladder', 'kettle', 'window'];
const STATES = ['broken', 'open', 'heavy', 'blue', 'clean', 'loud', 'warm', 'new'];
const ASIDES = [
  'It rained all day.',
  'The street was quiet.',
  'Nobody was at home.',
  'Dinner was late.',
  'The train had left.',
  'Music came from far away.',
];

/** A statement among unrelated sentences, at the beginning or the end. */
function around(random: RandomStream, statement: string): string {
  const aside = pick(random, ASIDES);
  return random.integer(2) === 0 ? `${statement} ${aside}` : `${aside} ${statement}`;
}

/** Somebody has gone there (class 0), or hopes to go there. `subject`: who, at the beginning of a sentence. */
function journey(subject: string, label: number, place: string): string {
  return label === 0 ? `${subject} has moved to ${place}.` : `${subject} hopes to see ${place} one day.`;
}

const entailment = (label: number): string => (label === 0 ? 'entailment' : 'not_entailment');

/** Each generator gets the class that the row should have, or chooses classes itself for rows with several examples. */
export const SYNTHETIC_ROWS: Readonly<
  Record<TaskId, { classes: number; make: (label: number, random: RandomStream) => Row }>
> = {
  boolq: {
    classes: 2,
    // No, if the passage denies it.
    make: (label, random) => {
      const [thing, state] = [pick(random, THINGS), pick(random, STATES)];
      const statement = label === 1 ? `The ${thing} is ${state}.` : `The ${thing} is not ${state}.`;
      return { question: `is the ${thing} ${state}`, passage: around(random, statement), label: label === 1 };
    },
  },
  cb: {
    classes: 3,
    // Known, denied, or wondered about.
    make: (label, random) => {
      const [who, thing, state] = [pick(random, PEOPLE), pick(random, THINGS), pick(random, STATES)];
      const verb = ['knows that', 'denies that', 'wonders whether'][label];
      return {
        premise: around(random, `${who} ${verb} the ${thing} is ${state}.`),
        hypothesis: `the ${thing} is ${state}`,
        label: ['entailment', 'contradiction', 'neutral'][label],
      };
    },
  },
  rte: {
    classes: 2,
    make: (label, random) => {
      const [who, place] = [pick(random, PEOPLE), pick(random, PLACES)];
      return {
        premise: around(random, journey(who, label, place)),
        hypothesis: `${who} was in ${place}.`,
        label: entailment(label),
      };
    },
  },
  copa: {
    classes: 2,
    // The dream is never it.
    make: (label, random) => {
      const [who, thing] = [pick(random, PEOPLE), pick(random, THINGS)];
      const likely = pick(random, [
        `The ${thing} had been old.`,
        `The ${thing} was repaired.`,
        `A friend wanted the ${thing}.`,
        `The ${thing} was sold.`,
      ]);
      const dream =
        pick(random, ['A dragon', 'A ghost', 'A wizard']) + pick(random, [' laughed.', ' flew away.', ' sang.']);
      return {
        premise: `${who} looked at the ${thing}.`,
        choice1: label === 0 ? likely : dream,
        choice2: label === 0 ? dream : likely,
        question: pick(random, ['cause', 'effect']),
        label,
      };
    },
  },
  wic: {
    classes: 2,
    // The second sentence has the word's other meaning, or not.
    make: (label, random) => {
      const { word, here, there } = pick(random, [
        { word: 'bank', here: ['money', 'coins', 'a loan'], there: ['water', 'reeds', 'a heron'] },
        { word: 'bat', here: ['a ball', 'a player', 'a match'], there: ['wings', 'a cave', 'the night'] },
        { word: 'spring', here: ['flowers', 'warm days', 'April'], there: ['steel', 'a coil', 'a screw'] },
      ]);
      const sentence = (context: string, who: string): { text: string; start: number } => {
        const [before, after] = pick(random, [
          [`${who} thought of ${context} and the `, '.'],
          ['The ', ` reminded ${who} of ${context}.`],
        ]);
        return { text: before + word + after, start: before.length };
      };
      const first = sentence(pick(random, here), pick(random, PEOPLE));
      const second = sentence(pick(random, label === 1 ? here : there), pick(random, PEOPLE));
      return {
        word,
        sentence1: first.text,
        sentence2: second.text,
        start1: first.start,
        end1: first.start + word.length,
        start2: second.start,
        end2: second.start + word.length,
        version: 1.1,
        label: label === 1,
      };
    },
  },
  wsc: {
    classes: 2,
    // Something too large does not fit; something too small cannot contain it. The noun is always the one that should
    // fit.
    make: (label, random) => {
      const [thing, holder] = [pick(random, THINGS), pick(random, ['box', 'bag', 'van', 'shed'])];
      const why = pick(random, label === 1 ? ['large', 'wide', 'long'] : ['small', 'narrow', 'short']);
      const text = around(random, `The ${thing} did not fit into the ${holder} because it was too ${why}.`);
      const words = text.split(' ');
      return {
        text,
        target: {
          span1_index: words.indexOf(thing) - 1,
          span1_text: `The ${thing}`,
          span2_index: words.indexOf('because') + 1,
          span2_text: 'it',
        },
        label: label === 1,
      };
    },
  },
  multirc: {
    classes: 2,
    // Right answers are people's deeds, wrong ones are not in any paragraph.
    make: (_, random) => {
      const [who, place] = [pick(random, PEOPLE), pick(random, PLACES)];
      const deeds = [
        'sang',
        'read a book',
        'met a friend',
        'bought bread',
        'swam',
        'painted',
        'ran home',
        'wrote a letter',
      ];
      const nonsense = ['ate the moon', 'became a fish', 'stole the sea', 'froze the sun', 'drank sand'];
      const deed = pick(random, deeds);
      const answers = [
        { text: `${who} ${deed}`, label: 1 },
        { text: `${who} ${pick(random, nonsense)}`, label: 0 },
      ];
      if (random.integer(2) === 0) answers.reverse();
      const paragraph = `<b>Sent 1: </b>${who} went to ${place}.<br><b>Sent 2: </b>There ${who} ${deed}.<br>`;
      return { passage: { text: paragraph, questions: [{ question: `What did ${who} do?`, answers }] }, version: 1.1 };
    },
  },
  record: {
    classes: 2,
    // People speak; places do not.
    make: (_, random) => {
      const [who, place] = [pick(random, PEOPLE), pick(random, PLACES)];
      const text = `${who} came to ${place}.\n@highlight\n${capital(pick(random, ASIDES))}`;
      const span = (entity: string): { start: number; end: number } => ({
        start: text.indexOf(entity),
        end: text.indexOf(entity) + entity.length - 1,
      });
      const query = `@placeholder said: ${pick(random, ['good day', 'it is late', 'come in', 'wait for me'])}`;
      return {
        source: 'synthetic',
        passage: { text, entities: [span(who), span(place)] },
        qas: [{ query, answers: [{ ...span(who), text: who }] }],
      };
    },
  },
};

/**
 * Rows of the diagnostic sets, for a model that has learnt RTE: pairs that differ only in a pronoun have the same number.
 * `at`: the row's place, which decides its class.
 */
export const SYNTHETIC_DIAGNOSTICS: Readonly<Record<Diagnostic['id'], (at: number, random: RandomStream) => Row[]>> = {
  axb: (at, random) => {
    const [who, place] = [pick(random, PEOPLE), pick(random, PLACES)];
    const sentence1 = around(random, journey(who, at % 2, place));
    return [{ sentence1, sentence2: `${who} was in ${place}.`, label: entailment(at % 2) }];
  },
  axg: (at, random) => {
    const [who, place] = [pick(random, ['driver', 'teacher', 'doctor', 'singer']), pick(random, PLACES)];
    return ['He', 'She'].map((pronoun) => ({
      premise: `The ${who} packs. ${journey(pronoun, at % 2, place)}`,
      hypothesis: `The ${who} was in ${place}.`,
      pair_id: at,
      label: entailment(at % 2),
    }));
  },
};
