import type { PageUpdate } from './types';

/**
 * Follows the server of `graft report --watch`. Its source text is embedded in the page: it uses nothing outside itself
 * but types.
 */
export function followServer(onUpdate: (update: PageUpdate) => void): void {
  /** The pause after an update lasts at least this many times as long as the update. */
  const IDLE_SHARE = 3;
  const status = document.getElementById('live');
  const say = (text: string): void => {
    if (status && status.textContent !== text) status.textContent = text;
  };
  /**
   * Parts of the page as the server last sent them. Unchanged parts are not replaced, so that they keep focus and
   * scrolling.
   */
  const sent = new Map<string, string>();

  const focusable = (element: HTMLElement): HTMLElement[] =>
    Array.from(element.querySelectorAll<HTMLElement>('a, button, input, select, summary, [tabindex]'));

  const replace = (element: HTMLElement, html: string): void => {
    const focused = focusable(element).indexOf(document.activeElement as HTMLElement);
    const open = new Set(
      Array.from(element.querySelectorAll('details[open] > summary'), ({ textContent }) => textContent),
    );
    const scrolled = Array.from(element.querySelectorAll('.scroll'), ({ scrollLeft }) => scrollLeft);
    // The server escapes all text in it, as in the page itself.
    element.innerHTML = html;
    for (const summary of Array.from(element.querySelectorAll('details > summary')))
      if (open.has(summary.textContent)) (summary.parentElement as HTMLDetailsElement).open = true;
    Array.from(element.querySelectorAll('.scroll')).forEach((one, i) => (one.scrollLeft = scrolled[i] ?? 0));
    if (focused >= 0) focusable(element)[focused]?.focus({ preventScroll: true });
  };

  const update = async (): Promise<void> => {
    const response = await fetch('update', { cache: 'no-store' });
    if (!response.ok) throw new Error(response.statusText);
    const page = (await response.json()) as PageUpdate;
    document.title = `Graft: ${page.heading}`;
    for (const [id, html] of Object.entries(page.sections)) {
      const element = document.getElementById(id);
      if (!element || sent.get(id) === html) continue;
      replace(element, html);
      sent.set(id, html);
    }
    onUpdate(page);
    say(`Live: updated ${new Date().toLocaleTimeString()}`);
  };

  /** A page that is hidden, or that takes long to draw, updates less often. */
  const pause = async (spentMs: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, IDLE_SHARE * spentMs));
    while (document.hidden)
      await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
  };

  /** Only one update runs at a time; changes in the meantime cause another. */
  let isUpdating = false;
  let isDue = false;
  const request = async (): Promise<void> => {
    isDue = true;
    if (isUpdating) return;
    isUpdating = true;
    while (isDue) {
      isDue = false;
      const began = performance.now();
      await update().catch(() => say('Not live: the server does not answer.'));
      await pause(performance.now() - began);
    }
    isUpdating = false;
  };

  const events = new EventSource('events');
  events.addEventListener('changed', () => void request());
  events.addEventListener('open', () => say('Live'));
  events.addEventListener('error', () => say('Not live: graft report --watch has ended, or is out of reach.'));
}
