/** The replacement of a secret. */
export const MASK = '***';

/** Shorter values are not searched in texts, because they would match ordinary words. */
const LEAST_CHARACTERS = 8;
/** Minimum length of a single line of a multi-line secret, such as a private key. */
const LEAST_IN_LINE = 16;

/** The secrets that this process must not write. */
interface Store {
  /** Secrets as they may occur in a text, the longest first. */
  forms: string[];
  /** Keys of configs whose values are secrets, by the schemas of the plugins that are loaded. */
  readonly names: Set<string>;
  /** Warnings that were printed. */
  readonly warned: Set<string>;
}

/** One for the process: a plugin may bring its own copy of this package. */
const STORE = Symbol.for('@graft/core redact');
const holder = globalThis as { [STORE]?: Store };
const store = (holder[STORE] ??= { forms: [], names: new Set(), warned: new Set() });

/**
 * From now on `redact` masks this value, also in the encodings of URLs, JSON and Basic authentication. Values under 8
 * characters are not searched.
 */
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

/** Values of this key are masked when a part of a config without a schema is shown. */
export function rememberSecretName(name: string): void {
  store.names.add(name);
}

/** Whether a config key's name suggests a secret. */
export function isSecretName(name: string): boolean {
  return (
    store.names.has(name) ||
    /^token$|passw(or)?d$|passphrase$|secret$|api_?key$|access_?key$|credentials?$|authorization$/i.test(name)
  );
}

/** Whether the process has not printed that warning yet. */
export function isNewWarning(warning: string): boolean {
  if (store.warned.has(warning)) return false;
  store.warned.add(warning);
  return true;
}

/** `scheme://user:password@`, as in a URL. */
const USERINFO = /\b([a-z][a-z\d+.-]*:\/\/)[^\s/?#"<>`\\]*@/gi;
/**
 * The same for a password with characters that would end it in a URL: not a valid URL, but still a password. A port
 * does not count as one.
 */
const BROKEN_USERINFO = /\b([a-z][a-z\d+.-]*:\/\/)[^\s/?#@:["<>`\\]*:(?!\d+(?:[/?#"'\s]|$))[^\s"<>`]*@/gi;
const URL_TEXT = /\b[a-z][a-z\d+.-]*:\/\/[^\s"<>`]+/gi;
/** Parameters that authenticate presigned URLs and API requests. */
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

/** The same without the secrets that this process happens to know: for a config the result must always be the same. */
export function redactUrls(text: string): string {
  let result = text;
  if (result.includes('://')) {
    result = result.replace(USERINFO, `$1${MASK}@`).replace(BROKEN_USERINFO, `$1${MASK}@`);
    if (result.includes('=')) result = result.replace(URL_TEXT, (url) => url.replace(QUERY_SECRET, `$1${MASK}`));
  }
  return /authorization/i.test(result) ? result.replace(AUTHORIZATION, `$1${MASK}`) : result;
}

/** Whether a text contains a URL that `redact` has masked and that no longer works. */
export function hasRedactedUrl(text: string): boolean {
  return text.includes('://') && text.includes(MASK) && REDACTED_URL.test(text);
}

const REDACTED_URL = /[a-z]:\/\/(?:\*\*\*@|[^\s"<>`]*[?&;#][^\s=]*=\*\*\*(?:[&;#\s'"]|$))/i;
