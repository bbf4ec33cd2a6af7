/** What stands in the place of a secret. */
export const MASK = '***';

/** Shorter values are not looked for in texts: they would take ordinary words with them. */
const LEAST_CHARACTERS = 8;
/** Of a secret of several lines, as a private key, a line alone. */
const LEAST_IN_LINE = 16;

/** What this process must not write. */
interface Store {
  /** Secrets as they may stand in a text, the longest first. */
  forms: string[];
  /** Keys of configs whose values are secrets, by the schemas of the plugins that are loaded. */
  readonly names: Set<string>;
  /** Warnings that were given. */
  readonly warned: Set<string>;
}

/** One for the process: a plugin may bring its own copy of this package. */
const STORE = Symbol.for('@graft/core redact');
const holder = globalThis as { [STORE]?: Store };
const store = (holder[STORE] ??= { forms: [], names: new Set(), warned: new Set() });

/** From now on `redact` masks this value, also as URLs, JSON and Basic authentication write it. Values under 8 characters are not looked for. */
export function rememberSecret(value: string): void {
  const lines = value.split(/\r?\n/);
  const parts = lines.length > 1 ? [value, ...lines.filter((line) => line.length >= LEAST_IN_LINE)] : [value];
  const forms = parts
    .filter((part) => part.length >= LEAST_CHARACTERS)
    .flatMap((part) => [part, encoded(part), JSON.stringify(part).slice(1, -1), Buffer.from(part).toString('base64')]);
  store.forms = [...new Set([...store.forms, ...forms])].sort((a, b) => b.length - a.length);
}

function encoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return text; // Half of a surrogate pair.
  }
}

/** Values behind this key are masked where a part of a config is shown that no schema was found for. */
export function rememberSecretName(name: string): void {
  store.names.add(name);
}

/** Whether a key of a config by its name alone promises a secret. */
export function isSecretName(name: string): boolean {
  return (
    store.names.has(name) ||
    /^token$|passw(or)?d$|passphrase$|secret$|api_?key$|access_?key$|credentials?$|authorization$/i.test(name)
  );
}

/** Whether this is the first time that the process would give that warning. */
export function isNewWarning(warning: string): boolean {
  if (store.warned.has(warning)) return false;
  store.warned.add(warning);
  return true;
}

/** `scheme://user:password@`, as a URL has it. */
const USERINFO = /\b([a-z][a-z\d+.-]*:\/\/)[^\s/?#"<>`\\]*@/gi;
/** The same of a password with characters that end it in a URL: no URL then, but still a password. What is a port is none. */
const BROKEN_USERINFO = /\b([a-z][a-z\d+.-]*:\/\/)[^\s/?#@:["<>`\\]*:(?!\d+(?:[/?#"'\s]|$))[^\s"<>`]*@/gi;
const URL_TEXT = /\b[a-z][a-z\d+.-]*:\/\/[^\s"<>`]+/gi;
/** Parameters by which presigned addresses and interfaces let their bearer in. */
const QUERY_SECRET =
  /([?&;#](?:[\w.~%-]*[-_.])?(?:token|secret|password|passwd|pwd|signature|credential|sig|key|auth|(?:api|access|auth|awsaccess)key(?:id)?|(?:access|auth)token)=)[^&;#\s'"]+?(?=[)\]}.,:]*(?:[&;#\s'"]|$))/gi;
const AUTHORIZATION =
  /(\bauthorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic)\s+)?)(?!(?:bearer|basic)\s)[\w.~+/=-]+/gi;

/**
 * A text as it may be written to files, logs, errors and servers: without the secrets that this process knows, the user and
 * password of any URL, and the tokens and signatures in its parameters.
 *
 *     redact('GET https://ann:pw@host/x?sig=8fa failed')   ->   'GET https://***@host/x?sig=*** failed'
 */
export function redact(text: string): string {
  let result = text;
  for (const form of store.forms) if (result.includes(form)) result = result.replaceAll(form, MASK);
  return redactUrls(result);
}

/** The same without the secrets that this process happens to know: of a config the result must always be the same. */
export function redactUrls(text: string): string {
  let result = text;
  if (result.includes('://')) {
    result = result.replace(USERINFO, `$1${MASK}@`).replace(BROKEN_USERINFO, `$1${MASK}@`);
    if (result.includes('=')) result = result.replace(URL_TEXT, (url) => url.replace(QUERY_SECRET, `$1${MASK}`));
  }
  return /authorization/i.test(result) ? result.replace(AUTHORIZATION, `$1${MASK}`) : result;
}

/** Whether a text holds an address as `redact` leaves it, which leads nowhere. */
export function hasRedactedUrl(text: string): boolean {
  return text.includes('://') && text.includes(MASK) && REDACTED_URL.test(text);
}

const REDACTED_URL = /[a-z]:\/\/(?:\*\*\*@|[^\s"<>`]*[?&;#][^\s=]*=\*\*\*(?:[&;#\s'"]|$))/i;
