import { z } from 'zod';
import type { ComponentSpec, InterfaceName } from '../interfaces';
import { MASK } from '../secrets/redact';
import { isSecret, Secret, type SecretOptions, type SecretSource } from '../secrets/secret';
import { isObject } from '../util/objects';
import type { Finding } from './issues';
import { mark } from './markers';
import { resolveComponent } from './sections';

/**
 * A file or folder. A relative path is resolved against the file that contains it, one from `--set` or a default
 * against the working folder.
 */
export function pathOption(): z.ZodString {
  return mark(z.string().min(1), { kind: 'path' });
}

/** Another component as an option: `bytes`, or `{ use: huggingface, path: … }`. Its options are checked with it. */
export function componentOption(interface_: InterfaceName): z.ZodType<ComponentSpec, ComponentSpec | string> {
  const schema = z.unknown().transform((value, context) => resolveComponent(interface_, value, context));
  return mark(schema as unknown as z.ZodType<ComponentSpec, ComponentSpec | string>, {
    kind: 'component',
    interface: interface_,
  });
}

/**
 * A token, a password or a key as an option, which the component receives as a `Secret`. A config writes `{ env: NAME
 * }`, `{ file: PATH }` (without its final line break), or the secret itself; wherever Graft writes the config, it
 * writes `***` for the secret. The variable or file is read when the component is created. `options`: those of
 * `Secret`.
 */
export function secret(options: SecretOptions = {}): z.ZodType<Secret, SecretSource | Secret> {
  const schema = z.unknown().transform((value, context): Secret => {
    if (isSecret(value)) return value;
    const source = secretSource(value);
    if (typeof source === 'object' && 'finding' in source) {
      const { finding } = source;
      context.issues.push({ code: 'custom', message: finding.message, input: undefined, params: { finding } });
      return new Secret('');
    }
    return new Secret(source, options);
  });
  return mark(schema as unknown as z.ZodType<Secret, SecretSource | Secret>, { kind: 'secret' });
}

const SECRET_EXPECTED = '{ env: NAME }, { file: PATH } or the secret as a text';

/** A problem does not show the value. */
function secretSource(value: unknown): SecretSource | { readonly finding: Omit<Finding, 'path'> } {
  const wrong = (got: string, expected = SECRET_EXPECTED): { finding: Omit<Finding, 'path'> } => ({
    finding: { message: `expected ${expected}, got ${got}`, expected },
  });
  if (typeof value === 'string') {
    if (value === '') return wrong('an empty text');
    if (value !== MASK) return value;
    return wrong('***, which stands for a secret that Graft did not write; give it again, e.g. by --set');
  }
  if (value === undefined || value === null) return wrong('nothing');
  if (!isObject(value))
    return wrong(Array.isArray(value) ? 'a list' : `a ${typeof value}, which wants quotes as a text`);
  const [[key, inner] = [], ...more] = Object.entries(value);
  if (more.length > 0 || (key !== 'env' && key !== 'file')) return wrong('an object with other keys');
  if (typeof inner !== 'string' || inner === '') return wrong(`another value than a text as ${key}`);
  if (key === 'file') return { file: inner };
  return /^[a-z_]\w*$/i.test(inner)
    ? { env: inner }
    : wrong('another text', 'the name of an environment variable as env');
}
