import { readFileSync } from 'node:fs';

/** What a process has above it, as the system says (Linux): `parent`, and the group that a terminal's signals go to. */
function statusOf(pid: number | 'self'): { readonly parent: number; readonly group: string } | undefined {
  try {
    // Behind the program's name in parentheses, which may hold spaces: state, parent, group.
    const [, parent, group] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()!.split(' ');
    return { parent: Number(parent), group };
  } catch {
    return undefined;
  }
}

/**
 * Whether npm runs this process as the command of `npx graft` or of a script: npm passes a signal on to its shell alone, or, when it is
 * killed, to nobody, so that its end is all that is seen here. A command that was put into the background on purpose goes on.
 */
function isRunByNpm(): boolean {
  const script = process.env.npm_lifecycle_event === undefined ? undefined : process.env.npm_lifecycle_script;
  if (script === undefined || !/\bgraft\b/.test(script) || /(^|[^&])&($|[^&])|\b(nohup|setsid)\b/.test(script))
    return false;
  const [own, above] = [statusOf('self'), statusOf(process.ppid)];
  return own === undefined || own.group === above?.group;
}

const LOOK_EVERY_MS = 300;

/** Calls `gone` once when npm, or the shell between it and this process, is gone. Returns what ends the watch. */
export function watchNpm(gone: () => void): () => void {
  if (!isRunByNpm()) return () => undefined;
  const parent = process.ppid;
  const grandparent = statusOf(parent)?.parent;
  const timer = setInterval(() => {
    if (process.ppid === parent && (grandparent === undefined || statusOf(parent)?.parent === grandparent)) return;
    clearInterval(timer);
    gone();
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
