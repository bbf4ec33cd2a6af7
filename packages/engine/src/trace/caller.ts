import { sep } from 'node:path';

/** Frames of the engine itself, of tfjs, and of Node: not the code that asked for an operation. */
const OWN = [
  /^node:/,
  /[\\/]tfjs-core[\\/]/,
  /[\\/]@graft[\\/]engine[\\/]/,
  /[\\/]packages[\\/]engine[\\/](?:src|dist|vendor)[\\/](?!.*\.test\.)/,
];

const FRAME = /\(?((?:file:\/\/)?[^()\s]+:\d+:\d+)\)?$/;

/** Where the code that is called now was called from, as `file:line:column`; undefined if only the engine is on the stack. */
export function callerOutside(): string | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 60;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = limit;
  for (const line of stack.split('\n').slice(1)) {
    const place = FRAME.exec(line.trim())?.[1];
    if (place && !OWN.some((own) => own.test(place))) return place.replace(`${process.cwd()}${sep}`, '');
  }
  return undefined;
}
