import type { Tokenizer } from '@graft/core';
import { temporaryFolder } from '@graft/test-support';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDocuments, type Document } from './documents';
import { divideDocuments, targetBytes } from './rows';

/** A token is this many characters, or what is left of them. */
const tokenizerOf = (characters: number): Tokenizer =>
  ({ encode: (text: string) => new Int32Array(Math.ceil([...text].length / characters)) }) as unknown as Tokenizer;

const settings = { tokenizers: [tokenizerOf(2), tokenizerOf(3)], tokens: 20, holdOut: 0.5, heldOutRows: 100 };
const TRAINING = 'f'.repeat(64);
const HELD_OUT = '0'.repeat(64);

describe('divideDocuments', () => {
  it('rows follow each other without gaps, divide no character, and fit in every tokenizer', () => {
    const text = Array.from({ length: 80 }, (_, i) => `wörd${i} 🙂`).join(' ');
    const { train } = divideDocuments([{ text, digest: TRAINING }], settings);
    expect(train.length).toBeGreaterThan(5);
    expect(text.startsWith(train.map(({ source, target }) => source + target).join(''))).toBe(true);
    for (const { source, target } of train) {
      // Two characters a token: the other tokenizer needs fewer.
      expect([...source].length).toBeLessThanOrEqual(40);
      expect([...target].length).toBeGreaterThan(20);
    }
    expect(targetBytes(train)).toBe(train.reduce((sum, { target }) => sum + Buffer.from(target).length, 0));
  });

  it('a word that is longer than a row is divided, and nothing of it is lost', () => {
    const text = `${'x'.repeat(200)} ${'y z '.repeat(40)}`;
    const { train } = divideDocuments([{ text, digest: TRAINING }], settings);
    expect(text.startsWith(train.map(({ source, target }) => source + target).join(''))).toBe(true);
  });

  it('the digest decides the split, and held-out rows of known lines are left out', () => {
    const line = (name: string, i: number): string => `${name} number ${i} is a line that tells where it is from\n`;
    const lines = (name: string): string => Array.from({ length: 12 }, (_, i) => line(name, i)).join('');
    const of = (name: string, digest: string): Document => ({ text: lines(name), digest });
    const long = { ...settings, tokens: 60 };
    const both = divideDocuments([of('first', TRAINING), of('second', HELD_OUT)], long);
    expect(both.heldOut.length).toBeGreaterThan(0);
    expect(both.heldOut.every(({ source }) => source.includes('second'))).toBe(true);
    expect(both.known).toBe(0);
    const same = divideDocuments([of('first', TRAINING), of('first', HELD_OUT)], long);
    expect(same.heldOut).toEqual([]);
    expect(same.known).toBe(both.heldOut.length);
    const few = divideDocuments([of('second', HELD_OUT)], { ...long, heldOutRows: 1 });
    expect(few.heldOut).toHaveLength(1);
    expect(few.surplus).toBe(both.heldOut.length - 1);
  });
});

describe('readDocuments', () => {
  const folder = temporaryFolder();

  it('each content counts once, in an order that does not depend on names; licences and what is not text are left out', async () => {
    mkdirSync(join(folder, 'inner'));
    for (const [name, content] of Object.entries({
      'b.md': 'one',
      'inner/a.md': 'two',
      'a.txt': 'one',
      'LICENSE.md': 'licence',
      'blank.md': ' \n',
      'code.js': 'three',
    }))
      writeFileSync(join(folder, name), content);
    writeFileSync(join(folder, 'latin1.md'), Buffer.from([0x66, 0xfc]));
    const { documents, ...counts } = await readDocuments([folder]);
    expect(documents.map(({ text }) => text).sort()).toEqual(['one', 'two']);
    expect(documents[0].digest < documents[1].digest).toBe(true);
    expect(counts).toEqual({ files: 5, duplicates: 1, unreadable: 2 });
    // A file that is named may have any ending.
    expect((await readDocuments([join(folder, 'code.js')])).documents).toHaveLength(1);
  });

  it('a place without text is refused', async () => {
    await expect(readDocuments([join(folder, 'nowhere')])).rejects.toThrow(`There is no ${join(folder, 'nowhere')}.`);
    mkdirSync(join(folder, 'empty'));
    await expect(readDocuments([join(folder, 'empty')])).rejects.toThrow('There is no text in');
  });
});
