/** For tests that break every rule of the conformance suites once. */
import { ContractError, type Check } from '../src';

/** The rules that a component breaks. */
export async function brokenRules(checks: readonly Check[]): Promise<string[]> {
  const rules: string[] = [];
  for (const { name, run } of checks) {
    try {
      await run();
    } catch (error) {
      expect(error).toBeInstanceOf(ContractError);
      expect(error).toMatchObject({ code: 'testing.contract', rule: name });
      expect((error as Error).message).toMatch(/^The rule ".+" is broken: .+\. The rule is documented at \w+\..+\.$/s);
      rules.push(name);
    }
  }
  return rules;
}

/** A test that the suite finds this mistake, by a rule whose name matches. */
export const finds = (name: string, checks: () => readonly Check[], rule: RegExp): void =>
  test(`the suite finds ${name}`, async () => {
    expect(await brokenRules(checks())).toContainEqual(expect.stringMatching(rule));
  });
