import { appendFileSync, copyFileSync, cpSync, existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { describeIf, temporaryFolder } from '../../support';
import { fixture, readJson, runFolderOf, startGraft, trajectoryConfig, write, type Outcome } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const BROWSER = (process.env.PATH ?? '')
  .split(delimiter)
  .flatMap((place) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(place, name)))
  .find((file) => existsSync(file));

let runs: string[];

beforeAll(async () => {
  runs = [];
  for (const rate of [0.001, 0.0001]) {
    const config = write(
      join(folder, `rate-${rate}.yaml`),
      `${trajectoryConfig()
        .replace('name: trajectory', `name: rate-${rate}`)
        .replace('learningRate: 0.001', `learningRate: ${rate}`)}
engine: portable
runs: ${folder}/runs
evaluators:
  - { use: loss, name: heldOut, every: 5, batches: 2, dataset: { use: tensors, file: ${folder}/held-out.safetensors } }
`,
    );
    runs.push(config);
  }
  // What is held out is what is trained on, here: the report is tested, not the model.
  copyFileSync(fixture('train-trajectory', 'batches.safetensors'), join(folder, 'held-out.safetensors'));
  for (const [i, config] of runs.entries()) runs[i] = runFolderOf(await graftSucceeds(['run', config], folder));
});

test('report prints its path, which is in the run folder without --out', async () => {
  const { stdout } = await graftSucceeds(['report', runs[0]], folder);
  expect(stdout).toBe(`${join(runs[0], 'report.html')}\n`);
  expect(existsSync(join(runs[0], 'report.html'))).toBe(true);
});

test('a folder that is not a run is refused in one sentence with exit 2, and nothing is written', async () => {
  const { status, stderr } = await graft(['report', runs[0], folder, '--out', join(folder, 'none.html')], folder);
  expect(status).toBe(2);
  expect(stderr).toContain(`${folder} is not a run`);
  expect(existsSync(join(folder, 'none.html'))).toBe(false);
});

test('a damaged run is left out and named with status 1, and other files are overwritten only with --force', async () => {
  const out = join(folder, 'notes.html');
  write(out, 'my notes');
  const refused = await graft(['report', runs[0], '--out', out], folder);
  expect(refused).toEqual({
    status: 2,
    stdout: '',
    stderr: `graft: ${out} exists already, and \`graft report\` did not write it.\nName another file, or have it overwritten with --force.\n`,
  });
  const damaged = write(join(folder, 'damaged', 'run.json'), '{}');
  const { status, stdout, stderr } = await graft(
    ['report', join(damaged, '..'), runs[0], '--out', out, '--force'],
    folder,
  );
  expect([status, stdout]).toEqual([1, `${out}\n`]);
  expect(stderr).toContain(`Left out: ${damaged} is not the record of a run: "name": `);
  expect(readFileSync(out, 'utf8')).toContain('rate-0.001');
});

/** `graft report --watch`: its address, and how Ctrl-C ends it. */
async function startWatching(run: string): Promise<{ address: string; interrupt: () => Promise<Outcome> }> {
  const { child, done } = startGraft(['report', run, '--watch'], folder);
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  const interrupt = (): Promise<Outcome> => {
    child.kill('SIGINT');
    return done;
  };
  return { address: line.toString().trim(), interrupt };
}

test('report --watch prints its address, and Ctrl-C ends it with 130', async () => {
  const { address, interrupt } = await startWatching(runs[0]);
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  expect(await (await fetch(address)).text()).toContain('<title>Graft: rate-0.001/');
  expect(await interrupt()).toEqual({
    status: 130,
    stdout: `${address}\n`,
    stderr: 'Open this address on this machine. Ctrl-C stops the server.\n',
  });
});

test.each([
  [['--port', '8000'], '--port belongs to --watch'],
  [['--watch', '--out', 'x.html'], '--watch writes no file'],
  [['--watch', '--port', '70000'], 'Expected a port: at most 65535'],
])('report with %j is refused with status 2', async (options, problem) => {
  const { status, stderr } = await graft(['report', runs[0], ...options], folder);
  expect(status).toBe(2);
  expect(stderr).toContain(problem);
});

describeIf(BROWSER !== undefined, 'no Chromium is installed', 'the report in a browser', () => {
  let browser: Browser;
  let page: Page;
  const browserMessages: string[] = [];
  const asked: string[] = [];

  beforeAll(async () => {
    // Names lead to their latest runs.
    const names = runs.map((run) => join(run, '..'));
    await graftSucceeds(['report', ...names, '--out', join(folder, 'page.html')], folder);
    browser = await chromium.launch({
      executablePath: BROWSER,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    page.on('console', (message) => browserMessages.push(message.text()));
    page.on('pageerror', (error) => browserMessages.push(error.message));
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(pathToFileURL(join(folder, 'page.html')).href);
  });
  afterAll(() => browser?.close());

  /** For each line drawn in a chart, how many points its path has. */
  const drawnPoints = (chart: string): Promise<number[]> =>
    page.$$eval(`#${chart} svg path[fill="none"]`, (paths) =>
      paths.map((path) => (path.getAttribute('d') ?? '').split(/[ML]/).length - 1).filter((points) => points > 4),
    );

  test('the page requests no other file and logs no error', () => {
    expect(asked).toEqual([pathToFileURL(join(folder, 'page.html')).href]);
    expect(browserMessages).toEqual([]);
  });

  test('each run has a curve with one point per step', async () => {
    expect(await drawnPoints('chart-loss')).toEqual([10, 10]);
    expect(await drawnPoints('chart-gradNorm')).toEqual([10, 10]);
    const legend = await page.$$eval('#legend label', (labels) => labels.map(({ textContent }) => textContent));
    expect(legend).toEqual(['rate-0.001', 'rate-0.0001']);
  });

  test('the tables contain the numbers of evaluations.json, with the best marked', async () => {
    const last = runs.map(
      (run) =>
        readJson<{ step: number; metrics: { loss: number } }[]>(join(run, 'evaluations.json')).at(-1)!.metrics.loss,
    );
    const cells = await page.$$eval('table', (tables) => {
      const own = tables.find((table) => table.caption?.textContent === 'heldOut')!;
      return Array.from(own.tBodies[0].rows, (row) => ({
        loss: row.cells[2].firstChild!.textContent,
        best: row.cells[2].className.includes('best'),
      }));
    });
    expect(cells.map(({ loss }) => loss)).toEqual(last.map((loss) => loss.toFixed(4)));
    expect(cells.map(({ best }) => best)).toEqual(last.map((loss) => loss === Math.min(...last)));
  });

  test('quality is drawn against the cost that is chosen, with a name for each model', async () => {
    const texts = (): Promise<(string | null)[]> =>
      page.$$eval('#frontier-chart svg text', (all) => all.map(({ textContent }) => textContent));
    expect(await texts()).toEqual(expect.arrayContaining(['rate-0.001', 'rate-0.0001', 'Parameters']));
    const costs = await page.$$eval('select[name="cost"] option', (all) => all.map(({ textContent }) => textContent));
    await page.selectOption('select[name="cost"]', { label: costs.find((cost) => cost?.startsWith('Training'))! });
    expect(await texts()).toContain('Training (seconds, without compiling)');
    expect(await texts()).not.toContain('Parameters');
    expect(browserMessages).toEqual([]);
  });

  test('the switches redraw the charts', async () => {
    const axisName = (): Promise<(string | null)[]> =>
      page.$$eval('#chart-loss svg text', (texts) => texts.map((text) => text.textContent));
    expect(await axisName()).toContain('steps');
    await page.check('input[value="seconds"]');
    expect(await axisName()).toContain('seconds of training');
    const ticks = await axisName();
    await page.check('input[name="logarithmic"]');
    expect(await axisName()).not.toEqual(ticks);
    await page.uncheck('input[name="logarithmic"]');
    await page.check('input[name="compiling"]');
    expect(await axisName()).toContain('seconds of training, without compiling');
    await page.check('input[value="steps"]');
    expect(browserMessages).toEqual([]);
  });

  test('a run that is hidden has neither rows nor curves, and the best of the others is marked', async () => {
    const shown = (): Promise<[number, number]> =>
      page.$$eval('tbody tr[data-run="0"]', (rows) => [
        rows.length,
        rows.filter((row) => row.getClientRects().length > 0).length,
      ]);
    const [rows] = await shown();
    await page.uncheck('#legend [data-show="0"]');
    expect(await shown()).toEqual([rows, 0]);
    expect(await drawnPoints('chart-loss')).toEqual([10]);
    // One run alone is not the best of anything.
    expect(await page.$$eval('.best', (cells) => cells.length)).toBe(0);
    expect(await page.textContent('#legend summary')).toBe('1 of 2 runs shown');
    await page.click('#legend [data-all="hide"]');
    expect(await page.isVisible('#chart-loss')).toBe(false);
    await page.click('#legend [data-all="show"]');
    expect(await drawnPoints('chart-loss')).toEqual([10, 10]);
    expect(await page.$$eval('.best', (cells) => cells.length)).toBeGreaterThan(0);
  });

  test('tables are sorted by the button in the head of a column', async () => {
    const table = page.locator('table', { has: page.locator('caption', { hasText: /^heldOut$/ }) });
    const losses = async (): Promise<number[]> =>
      (await table.locator('tbody td:nth-child(3)').allTextContents()).map(parseFloat);
    const button = table.getByRole('button', { name: 'loss' });
    await button.press('Enter');
    expect(await table.locator('th[aria-sort="ascending"]').textContent()).toBe('loss');
    const rising = await losses();
    expect(rising).toEqual([...rising].sort((a, b) => a - b));
    await button.press('Enter');
    expect(await losses()).toEqual([...rising].reverse());
  });

  test('a drag over a chart zooms all charts, and a double-click resets', async () => {
    const value = (name: string): Promise<number> =>
      page.locator(`input[name="${name}"]`).inputValue().then(parseFloat);
    const chart = page.locator('#chart-loss');
    await chart.scrollIntoViewIfNeeded();
    const { x, y, width } = (await chart.boundingBox())!;
    await page.mouse.move(x + 0.4 * width, y + 100);
    await page.mouse.down();
    await page.mouse.move(x + 0.7 * width, y + 105);
    await page.mouse.up();
    const [from, to] = [await value('from'), await value('to')];
    expect([from > 3, from < 6, to > 6, to < 9]).toEqual([true, true, true, true]);
    const [points] = await drawnPoints('chart-gradNorm');
    expect(points).toBeLessThan(10);
    await chart.dblclick();
    expect(await drawnPoints('chart-gradNorm')).toEqual([10, 10]);
  });

  test('the keyboard reads values of every run off a chart, and zooms', async () => {
    await page.focus('#chart-loss');
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    expect(await page.textContent('#reading')).toMatch(/^2 steps: rate-0\.0+1 [\d.]+, rate-0\.0+1 [\d.]+$/);
    await page.keyboard.press('+');
    expect(await page.inputValue('input[name="to"]')).not.toBe('');
    await page.keyboard.press('Escape');
    expect(await page.inputValue('input[name="to"]')).toBe('');
    expect(browserMessages).toEqual([]);
  });

  test('an open page follows a run that goes on, and keeps what the reader selected', async () => {
    const run = join(folder, 'going-on');
    cpSync(runs[0], run, { recursive: true });
    const { address, interrupt } = await startWatching(run);
    const live = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    const messages: string[] = [];
    live.on('console', (message) => messages.push(message.text()));
    live.on('pageerror', (error) => messages.push(error.message));
    try {
      await live.goto(address);
      await live.check('input[value="seconds"]');
      await live.focus('#chart-loss');
      // The last step's line again, as that of the next step.
      const last = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n').at(-1)!;
      appendFileSync(join(run, 'metrics.jsonl'), `${last.replace('"step":10', '"step":11')}\n`);
      await live.waitForFunction(() =>
        Array.from(document.querySelectorAll('#chart-loss svg path[fill="none"]')).some(
          (path) => (path.getAttribute('d') ?? '').split(/[ML]/).length - 1 === 11,
        ),
      );
      expect(await live.isChecked('input[value="seconds"]')).toBe(true);
      expect(await live.evaluate(() => document.activeElement?.id)).toBe('chart-loss');
      expect(await live.textContent('#live')).toMatch(/^Live: updated /);
      expect(messages).toEqual([]);
    } finally {
      await live.close();
      expect((await interrupt()).status).toBe(130);
    }
  });

  test('no page is wider than a screen of 400 pixels', async () => {
    await page.setViewportSize({ width: 400, height: 800 });
    // The charts follow the window's size a moment later.
    await page.waitForFunction(() => document.documentElement.scrollWidth === 400);
    expect(await page.evaluate(() => window.innerWidth)).toBe(400);
  });
});
