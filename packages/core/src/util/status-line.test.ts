import { screenAfter } from '@graft/test-support';
import { barOf, cutTo, openStatusLine, type StatusLine, type TerminalStream } from './status-line';

interface Terminal {
  readonly stream: TerminalStream & { write(chunk: string): boolean };
  readonly screen: () => string[];
  readonly output: () => string;
}

function newTerminal(columns = 40): Terminal {
  let output = '';
  const stream = {
    isTTY: true,
    columns,
    write: (chunk: string | Uint8Array) => {
      // As terminals are set up.
      output += Buffer.from(chunk).toString().replaceAll('\n', '\r\n');
      return true;
    },
  };
  return { stream, screen: () => screenAfter(output, columns), output: () => output };
}

const open = ({ stream }: Terminal, now?: () => number): StatusLine =>
  openStatusLine({ stderr: stream, stdout: stream, now });

describe('a status line', () => {
  it('lines that are written meanwhile appear whole above it', () => {
    const terminal = newTerminal();
    const line = open(terminal);
    line.show(() => 'half done', true);
    terminal.stream.write('a line of the log\n');
    terminal.stream.write('two\nmore\n');
    expect(terminal.screen()).toEqual(['a line of the log', 'two', 'more', 'half done']);
    line.end();
    terminal.stream.write('after it\n');
    expect(terminal.screen()).toEqual(['a line of the log', 'two', 'more', 'half done', 'after it']);
  });

  it('text without its line break is left alone until the break comes', () => {
    const terminal = newTerminal();
    const line = open(terminal);
    line.show(() => 'half done', true);
    terminal.stream.write('begun, ');
    line.show(() => 'more done', true);
    terminal.stream.write('and ended\n');
    expect(terminal.screen()).toEqual(['begun, and ended', 'more done']);
    line.end();
  });

  it.each([80, 110, 120])('the echo of Ctrl-C at %d columns leaves no rest of the line', (columns) => {
    const terminal = newTerminal(columns);
    const line = open(terminal);
    line.show((width) => 'x'.repeat(width + 50), true);
    const { length } = terminal.screen()[0];
    expect(length).toBeLessThan(columns - 1);
    // By the terminal, so that the program does not know of it.
    const echoed = `${terminal.output()}^C`;
    expect(screenAfter(echoed, columns)).toHaveLength(1);
    terminal.stream.write('Stopping\n');
    line.end();
    expect(screenAfter(echoed + terminal.output().slice(echoed.length - 2), columns)).toEqual([
      'Stopping',
      'x'.repeat(length),
    ]);
  });

  it('a line that is not kept leaves nothing', () => {
    const terminal = newTerminal();
    const line = open(terminal);
    line.show(() => 'half done', true);
    line.end({ keep: false });
    terminal.stream.write('after it\n');
    expect(terminal.screen()).toEqual(['after it']);
  });

  it('it is drawn five times a second at most, unless that is asked for', () => {
    let now = 0;
    const terminal = newTerminal();
    const line = open(terminal, () => now);
    line.show(() => 'one');
    line.show(() => 'two');
    expect(terminal.screen()).toEqual(['one']);
    now = 200;
    line.show(() => 'three');
    expect(terminal.screen()).toEqual(['three']);
    line.show(() => 'four', true);
    expect(terminal.screen()).toEqual(['four']);
    line.show(() => 'five');
    line.end();
    expect(terminal.screen()).toEqual(['five']);
  });

  it('a second line ends the first', () => {
    const terminal = newTerminal();
    const first = open(terminal);
    first.show(() => 'first', true);
    const second = open(terminal);
    second.show(() => 'second', true);
    first.show(() => 'late', true);
    first.end();
    second.end();
    expect(terminal.screen()).toEqual(['first', 'second']);
  });
});

it('text is cut with an ellipsis', () => {
  expect([cutTo('abcdef', 6), cutTo('abcdef', 4), cutTo('abcdef', 1), cutTo('abcdef', -1)]).toEqual([
    'abcdef',
    'abc…',
    'a',
    '',
  ]);
});

it('a bar is filled by its share, and left out where there is no room', () => {
  expect([barOf(0.5, 8), barOf(2, 4), barOf(0, 100).length, barOf(0.5, 3)]).toEqual(['████░░░░', '████', 40, '']);
});
