import type { BranchCount } from './limits';

/** A place in a tree of spellings: what is behind it, by UTF-16 unit. `token`: of the spelling that ends here, if one does. */
export interface SpellingNode<Token> {
  readonly next: Map<number, SpellingNode<Token>>;
  token?: Token;
}

/** The place where a spelling ends, with all that leads to it, which is made where it is missing. */
export function growTo<Token>(root: SpellingNode<Token>, spelling: string, branches: BranchCount): SpellingNode<Token> {
  let node = root;
  for (let i = 0; i < spelling.length; i++) {
    const unit = spelling.charCodeAt(i);
    let next = node.next.get(unit);
    if (!next) {
      branches.add();
      node.next.set(unit, (next = { next: new Map() }));
    }
    node = next;
  }
  return node;
}
