/** What can be known of an engine before it is opened: for estimates of what a run will need. */
import { EngineError } from '@graft/errors';
import { chooseTarget } from './target/choose';
import { deviceOfPlugin } from './targets/pjrt/find-plugin';
import { fusesAttentionOn, type AttentionPlace } from './targets/pjrt/fuses-attention';
import { acceleratorHere, locatePlugin } from './targets/pjrt/locate-plugin';
import { withLayoutHints } from './trace/layout-hints';
import type { EngineOptions } from './types';

/**
 * The kind of device on which an engine of these options would compute, by the options and the plugins that are here;
 * undefined where that does not say. Opens nothing. Throws EngineError for options that contradict each other.
 */
export async function expectedDevice(options: EngineOptions): Promise<string | undefined> {
  const { target, device } = chooseTarget(options);
  if (device !== undefined) return device;
  if (target === 'auto') return acceleratorHere() ?? 'cpu';
  try {
    return deviceOfPlugin((await locatePlugin(options)).plugin.file);
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

/** Calls `fn` (synchronously), in which `fusesAttention` answers as in a function that is compiled there. */
export const asIfCompiledOn = <T>(place: AttentionPlace, fn: () => T): T =>
  withLayoutHints(
    { prefersTransposedKeys: () => false, fusesAttention: (sizes) => fusesAttentionOn(place, sizes) },
    fn,
  );
