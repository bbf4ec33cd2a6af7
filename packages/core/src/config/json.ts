import { parse, printParseErrorCode, type ParseError } from 'jsonc-parser';

/** JSON.parse, whose errors say what was expected and where: `comma expected (3:13)`. JSON.parse does not always tell. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const errors: ParseError[] = [];
    parse(text, errors, { disallowComments: true });
    if (errors.length === 0) throw cause;
    const { error, offset } = errors[0];
    const before = text.slice(0, offset).split('\n');
    const what = printParseErrorCode(error)
      .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
      .toLowerCase();
    throw new SyntaxError(`${what} (${before.length}:${before.at(-1)!.length + 1})`, { cause });
  }
}
