import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { UsageMistake } from './report-error';

/** Another way to give the secret of a group, for what starts workers with an environment of their own. */
export const SECRET_VARIABLE = 'GRAFT_WORKER_SECRET';
const MOST_BYTES = 4096;

/** Takes the variable out of the environment, which plugins and child processes see. */
export function takeSecretVariable(): string | undefined {
  const value = process.env[SECRET_VARIABLE];
  delete process.env[SECRET_VARIABLE];
  return value;
}

/**
 * The secret of a group: of a file that nobody but its owner reads, or of the environment. A line break behind it is not part
 * of it. Throws UsageMistake; what the secret is stands in no error.
 */
export async function workerSecret(file: string | undefined, variable: string | undefined): Promise<Uint8Array> {
  if (file !== undefined && variable !== undefined)
    throw new UsageMistake(`The secret of the workers is given twice: by --worker-secret-file and ${SECRET_VARIABLE}.`);
  if (file !== undefined) return trimmed(await readSecret(file));
  if (variable !== undefined) return trimmed(Buffer.from(variable, 'utf8'));
  throw new UsageMistake(
    `--workers needs a secret that all workers have and nobody else: give --worker-secret-file FILE or ${SECRET_VARIABLE}. \`(umask 077; openssl rand -hex 32 > FILE)\` makes one.`,
  );
}

async function readSecret(path: string): Promise<Buffer> {
  // A pipe would keep whoever opens it until somebody writes.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { mode, uid, size } = await file.stat();
    const refuse = (problem: string, hint: string): never => {
      throw new UsageMistake(`${path} cannot be the workers' secret: ${problem}. ${hint}`);
    };
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) refuse('it is not a file', 'Name a file that holds it.');
    const own = process.getuid?.();
    if (own !== undefined && uid !== own && uid !== 0)
      refuse(`it belongs to another user (${uid})`, 'Copy it to a file of your own.');
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      refuse(`others may open it (its mode is ${shown})`, `\`chmod 600 ${path}\` keeps them out.`);
    }
    if (size > MOST_BYTES)
      refuse(`it has ${size} bytes, more than ${MOST_BYTES}`, 'A secret is 16 bytes or more, drawn at random.');
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** Without one line break at the end. */
function trimmed(bytes: Buffer): Buffer {
  const end = bytes.at(-1) === 0x0a ? bytes.length - (bytes.at(-2) === 0x0d ? 2 : 1) : bytes.length;
  return bytes.subarray(0, end);
}
