import type { Tokenizer } from '@graft/core';
import { finds } from '../../test/broken-rules';
import { conformance, ToyTokenizer } from '../index';

describe('broken rules of tokenizers', () => {
  const odd = (change: Partial<Tokenizer>) => (): Tokenizer => Object.assign(new ToyTokenizer(), change);
  const own = new ToyTokenizer();
  finds(
    'ids beyond the vocabulary',
    () => conformance.tokenizer(odd({ encode: () => Int32Array.of(99) })),
    /integers of the vocabulary/,
  );
  finds(
    'a list instead of an array',
    () => conformance.tokenizer(odd({ encode: (() => [5]) as never })),
    /integers of the vocabulary/,
  );
  finds(
    'an eos of its own',
    () => conformance.tokenizer(odd({ encode: (text) => Int32Array.of(...own.encode(text), 1) })),
    /neither bos nor eos/,
  );
  finds('a text that does not come back', () => conformance.tokenizer(odd({ decode: () => 'x' })), /returns the text/);
  finds(
    'special tokens in a text',
    () => conformance.tokenizer(odd({ decode: (ids) => own.decode(ids, { keepSpecial: true }) })),
    /leaves special tokens out/,
  );
  finds(
    'a named token twice',
    () => conformance.tokenizer(odd({ namedTokens: [own.namedTokens[0], own.namedTokens[0]] })),
    /distinct ids/,
  );
  finds(
    'characters counted instead of bytes',
    () => conformance.tokenizer(odd({ byteLength: (id) => own.decode([id]).length }), { texts: ['é'] }),
    /bytes of the tokens of a text/,
  );
  finds(
    'bytes of an end token',
    () => conformance.tokenizer(odd({ byteLength: () => 1 })),
    /bytes of the tokens of a text/,
  );
  finds(
    'a cut that changes the ids',
    // It joins "a" and "b".
    () =>
      conformance.tokenizer(odd({ encode: (text) => own.encode(text.replaceAll('ab', 'z')) }), {
        alphabet: ['a', 'b'],
      }),
    /both parts have the ids/,
  );
});
