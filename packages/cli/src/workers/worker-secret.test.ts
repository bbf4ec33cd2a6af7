import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { CommandLineError } from '../output/command-line-error';
import { SECRET_VARIABLE, takeSecretVariable, workerSecret } from './worker-secret';

const folder = temporaryFolder();
const CANARY = 'canary-0123456789abcdef';

function secretFile(name: string, content: string | Uint8Array, mode = 0o600): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

const text = async (file?: string, variable?: string): Promise<string> =>
  Buffer.from(await workerSecret(file, variable)).toString();

async function refusal(file?: string, variable?: string): Promise<string> {
  const error: unknown = await workerSecret(file, variable).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CommandLineError);
  const { message } = error as Error;
  expect(message).not.toContain(CANARY);
  return message;
}

it('the secret is read from its file or variable without one trailing line break', async () => {
  expect(await text(secretFile('plain', CANARY))).toBe(CANARY);
  expect(await text(secretFile('line', `${CANARY}\n`, 0o400))).toBe(CANARY);
  expect(await text(secretFile('windows', `${CANARY}\r\n`))).toBe(CANARY);
  expect(await text(secretFile('lines', `${CANARY} \n\n`))).toBe(`${CANARY} \n`);
  expect(await text(undefined, `${CANARY}\n`)).toBe(CANARY);
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i * 8 + 1);
  expect([...(await workerSecret(secretFile('bytes', bytes), undefined))]).toEqual([...bytes]);
});

it('reading the secret variable removes it from the environment', () => {
  process.env[SECRET_VARIABLE] = CANARY;
  expect(takeSecretVariable()).toBe(CANARY);
  expect(process.env).not.toHaveProperty(SECRET_VARIABLE);
  expect(takeSecretVariable()).toBeUndefined();
});

it('a secret must be given exactly once', async () => {
  expect(await refusal()).toMatch(/--workers needs a secret .* give --worker-secret-file FILE or GRAFT_WORKER_SECRET/);
  expect(await refusal(secretFile('twice', CANARY), CANARY)).toMatch(/is given twice/);
});

it.each([
  [0o644, '0644'],
  [0o640, '0640'],
  [0o602, '0602'],
  [0o610, '0610'],
])('a secret file that others may access is rejected: mode %o', async (mode, shown) => {
  const file = secretFile(`mode-${shown}`, CANARY, mode);
  expect(await refusal(file)).toBe(
    `${file} cannot be the workers' secret: others may open it (its mode is ${shown}). \`chmod 600 ${file}\` keeps them out.`,
  );
});

it('a secret file that is missing, too long or not a regular file is rejected at once', async () => {
  expect(await refusal(join(folder, 'nowhere'))).toMatch(
    /nowhere cannot be the workers' secret: there is no such file/,
  );
  expect(await refusal(folder)).toMatch(/it is a folder/);
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', ['-m', '600', fifo]);
  expect(await refusal(fifo)).toMatch(/it is a FIFO/);
  expect(await refusal(secretFile('long', CANARY.repeat(1000)))).toMatch(/it has more than 4096 bytes/);
});
