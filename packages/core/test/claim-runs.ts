/** A process that claims run folders as its parent asks, and answers `won` or the error's code. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RunFolder } from '../src/run/folder';

export type Request = { readonly claim: string; readonly afterMs: number } | { readonly release: true };

let folder: RunFolder | undefined;

async function answer(request: Request): Promise<string> {
  if ('release' in request) {
    await folder?.release();
    folder = undefined;
    return 'released';
  }
  await sleep(request.afterMs);
  try {
    const claimed = await RunFolder.open(request.claim);
    await claimed.claim();
    folder = claimed;
    return 'won';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

process.on('message', (request: Request) => {
  void answer(request).then((text) => process.send!(text));
});
process.send!('ready');
