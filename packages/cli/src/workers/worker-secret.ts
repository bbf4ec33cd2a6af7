import { CommandLineError } from '../output/command-line-error';

/** Another way to pass the secret of a group, for launchers that set the environment of workers. */
export const SECRET_VARIABLE = 'GRAFT_WORKER_SECRET';
const MOST_BYTES = 4096;
const NAME_ANOTHER = 'Name a file that holds 16 bytes or more, drawn at random.';

/** Removes the variable from the environment, which plugins and child processes can read. */
export function takeSecretVariable(): string | undefined {
  const value = process.env[SECRET_VARIABLE];
  delete process.env[SECRET_VARIABLE];
  return value;
}

/**
 * The secret of a group, from a file that only its owner can read, or from the environment. A line break at its end is
 * not part of it. Throws UsageMistake; no error contains the secret.
 */
export async function workerSecret(file: string | undefined, variable: string | undefined): Promise<Uint8Array> {
  if (file !== undefined && variable !== undefined)
    throw new CommandLineError(
      `The secret of the workers is given twice: by --worker-secret-file and ${SECRET_VARIABLE}.`,
    );
  if (file !== undefined) return trimmed(await readSecret(file));
  if (variable !== undefined) return trimmed(Buffer.from(variable, 'utf8'));
  throw new CommandLineError(
    `--workers needs a secret that all workers have and nobody else: give --worker-secret-file FILE or ${SECRET_VARIABLE}. \`(umask 077; openssl rand -hex 32 > FILE)\` makes one.`,
  );
}

async function readSecret(path: string): Promise<Buffer> {
  const { FileProblem, openRegularFile } = await import('@graft/files');
  const refuse = (problem: string, hint: string): never => {
    throw new CommandLineError(`${path} cannot be the workers' secret: ${problem}. ${hint}`);
  };
  try {
    const file = await openRegularFile(path);
    try {
      const { mode, uid } = await file.stat();
      const own = process.getuid?.();
      if (own !== undefined && uid !== own && uid !== 0)
        refuse(`it belongs to another user (${uid})`, 'Copy it to a file of your own.');
      if ((mode & 0o077) !== 0) {
        const shown = (mode & 0o777).toString(8).padStart(4, '0');
        refuse(`others may open it (its mode is ${shown})`, `\`chmod 600 ${path}\` keeps them out.`);
      }
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_BYTES + 1), 0, MOST_BYTES + 1, 0);
      if (bytesRead > MOST_BYTES) refuse(`it has more than ${MOST_BYTES} bytes`, NAME_ANOTHER);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    return refuse(error.message, NAME_ANOTHER);
  }
}

/** Without one line break at the end. */
function trimmed(bytes: Buffer): Buffer {
  const end = bytes.at(-1) === 0x0a ? bytes.length - (bytes.at(-2) === 0x0d ? 2 : 1) : bytes.length;
  return bytes.subarray(0, end);
}
