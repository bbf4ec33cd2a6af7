import { writeFile, readFile } from 'node:fs/promises';
import { resolve, join } from 'node:path';
import { parseSettings, USAGE, type Settings } from './settings';
import { runStory } from './story';
import { intoPage, newestStory, storyTable } from './table';

const INTERRUPTED = 130;

async function main(args: readonly string[]): Promise<number> {
  try {
    const settings = parseSettings(args);
    if (!settings) {
      process.stdout.write(USAGE);
      return 0;
    }
    if (settings.only === 'table') return await table(settings);
    return (await runStory(settings)) ? 0 : INTERRUPTED;
  } catch (error) {
    const { message, hint, exitCode } = error as Error & { hint?: string; exitCode?: number };
    process.stderr.write(`real: ${message}\n${hint ? `${hint}\n` : ''}`);
    return exitCode ?? 1;
  }
}

async function table({ out, into }: Settings): Promise<number> {
  const text = await storyTable(await newestStory(join(resolve(out), 'data')));
  if (into === undefined) process.stdout.write(`${text}\n`);
  else await writeFile(into, intoPage(await readFile(into, 'utf8'), text, into));
  return 0;
}

void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
