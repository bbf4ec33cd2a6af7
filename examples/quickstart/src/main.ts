import { quickstart } from './quickstart';

const USAGE = `The paper's story in small, on real text.
  npm start -- [--set KEY=VALUE ...]
KEY is a config key of every training stage (train.batchSize=8), or of one (pretrain.train.steps=500; the stages are
pretrain, pretrain-small, adapted, unbalanced, ul2, scratch and superglue); files=GLOB trains on other texts.
`;

/** `--set a=b` and `--set=a=b`. */
function parseArguments(args: readonly string[]): string[] | undefined {
  const overrides: string[] = [];
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--set' && i + 1 < args.length) overrides.push(args[++i]);
    else if (args[i].startsWith('--set=')) overrides.push(args[i].slice('--set='.length));
    else return undefined;
  }
  return overrides;
}

async function main(args: readonly string[]): Promise<number> {
  const overrides = parseArguments(args);
  if (!overrides) {
    const asked = args.includes('--help') || args.includes('-h');
    (asked ? process.stdout : process.stderr).write(USAGE);
    return asked ? 0 : 2;
  }
  try {
    const result = await quickstart({ overrides });
    return result ? 0 : 130;
  } catch (error) {
    const { message, hint, exitCode } = error as Error & { hint?: string; exitCode?: number };
    process.stderr.write(`quickstart: ${message}\n${hint ? `${hint}\n` : ''}`);
    return exitCode ?? 1;
  }
}

void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
