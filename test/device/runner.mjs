// Runs files of jest tests without jest, where only one file can be carried: what the golden tests use of it.
import { expect } from 'expect';
import { format } from 'node:util';

const tests = [];
const scopes = [];
const hooks = { beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] };

function within(name, body, skipped = false) {
  scopes.push({ name, skipped });
  body();
  scopes.pop();
}

function add(name, body) {
  const title = [...scopes.map((scope) => scope.name), name].join(' > ');
  tests.push({ title, body, skipped: scopes.some((scope) => scope.skipped) });
}

/** jest's titles: printf's placeholders, filled from the row. */
function each(define) {
  return (table) => (title, body) => {
    for (const row of table) {
      const values = Array.isArray(row) ? row : [row];
      const count = (title.match(/%[sdijo]/g) ?? []).length;
      define(format(title, ...values.slice(0, count)), () => body(...values));
    }
  };
}

const describe = Object.assign((name, body) => within(name, body), {
  skip: (name, body) => within(name, body, true),
  each: each((name, body) => within(name, body)),
});
const test = Object.assign(add, { each: each(add) });
const hook = (name) => (body) => void hooks[name].push(body);

Object.assign(globalThis, { expect, describe, test, it: test });
for (const name of Object.keys(hooks)) globalThis[name] = hook(name);

/** Runs the tests whose title matches, one after the other; returns what failed. */
export async function runTests(pattern, report = () => undefined) {
  const failed = [];
  const chosen = tests.filter(({ title, skipped }) => pattern.test(title) && !skipped);
  for (const body of hooks.beforeAll) await body();
  for (const { title, body } of chosen) {
    const began = performance.now();
    let reason;
    try {
      for (const before of hooks.beforeEach) await before();
      await body();
      for (const after of hooks.afterEach) await after();
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      failed.push(title);
    }
    report({ title, seconds: (performance.now() - began) / 1000, ...(reason !== undefined && { reason }) });
  }
  for (const body of hooks.afterAll) await body();
  return { passed: chosen.length - failed.length, failed };
}
