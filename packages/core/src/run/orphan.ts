import { readFileSync } from 'node:fs';

/**
 * The ancestry of a process as the system reports it (Linux): `parent`, and the group that receives a terminal's
 * signals.
 */
function statusOf(pid: number | 'self'): { readonly parent: number; readonly group: string } | undefined {
  try {
    // After the program's name in parentheses, which may contain spaces: state, parent, group.
    const [, parent, group] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()!.split(' ');
    return { parent: Number(parent), group };
  } catch {
    return undefined;
  }
}

/**
 * Whether npm runs this process as the command of `npx graft` or of a script: npm forwards a signal only to its shell
 * or, if it is killed, to no process, so this process can only notice that npm has ended. A command that the user put
 * into the background on purpose continues.
 */
function isRunByNpm(): boolean {
  const script = process.env.npm_lifecycle_event === undefined ? undefined : process.env.npm_lifecycle_script;
  if (script === undefined || !/\bgraft\b/.test(script) || /(^|[^&])&($|[^&])|\b(nohup|setsid)\b/.test(script))
    return false;
  const [own, above] = [statusOf('self'), statusOf(process.ppid)];
  return own === undefined || own.group === above?.group;
}

const LOOK_EVERY_MS = 300;

/**
 * Calls `gone` once when npm, or the shell between npm and this process, has ended. Returns a function that ends the
 * watch.
 */
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
