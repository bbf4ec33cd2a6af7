import fc from 'fast-check';
import { hasRedactedUrl, redact, rememberSecret } from './redact';

test.each([
  ['https://ann:pw@host/x', 'https://***@host/x'],
  ['https://token@host', 'https://***@host'],
  ['GET https://ann:p@w@host:80/x failed (postgres://b:c@db)', 'GET https://***@host:80/x failed (postgres://***@db)'],
  ['expected a URL, got "https://ann:p/w#?x@host"', 'expected a URL, got "https://***@host"'],
  [
    'https://h/x?sig=8fa&part=2&X-Amz-Signature=0a%2b#access_token=q',
    'https://h/x?sig=***&part=2&X-Amz-Signature=***#access_token=***',
  ],
  ['(see https://h/x?sig=a.b).', '(see https://h/x?sig=***).'],
  ['https://h/x?api_key=1;token=2', 'https://h/x?api_key=***;token=***'],
  ['{"Authorization":"Bearer abc.def"}', '{"Authorization":"Bearer ***"}'],
  ['Authorization: Basic YTpi', 'Authorization: Basic ***'],
])('"%s" is redacted to "%s"', (text, masked) => {
  expect(redact(text)).toBe(masked);
  expect(redact(masked)).toBe(masked);
});

test.each([
  'https://host/@scope/package and ann@host',
  'http://127.0.0.1:5000/x@y?monkey=1&keyboard=2',
  'http://[::1]:80/a@b',
  'user:pw@host without a scheme, Basic understanding, token=5',
  'https://host"@x',
])('"%s" is not changed by redaction', (text) => {
  expect(redact(text)).toBe(text);
});

test('a known secret is redacted in every encoding, and a short one is not searched for', () => {
  const secret = 'k3y "with" späces/+';
  rememberSecret(secret);
  rememberSecret('short');
  for (const form of [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret),
    Buffer.from(secret).toString('base64'),
  ])
    expect(redact(`<${form}>`)).toMatch(/^<"?\*\*\*"?>$/);
  expect(redact('in short')).toBe('in short');
  rememberSecret('-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END KEY-----');
  expect(redact('line MIIEvQIBADANBgkqhkiG9w0 of it')).toBe('line *** of it');
});

test('user and password of a URL are always redacted, and redacting twice changes nothing more', () => {
  const part = fc.stringMatching(/^[\w.~!$&'()*+,;=:%-]{1,12}$/);
  fc.assert(
    fc.property(part, part, fc.webPath(), (user, password, path) => {
      const address = `https://${user}q:${password}z@example.org${path}`;
      const masked = redact(`see ${address} now`);
      expect(masked).toContain('https://***@example.org');
      expect(masked).not.toContain(`${user}q:`);
      expect(redact(masked)).toBe(masked);
    }),
  );
});

test('a redacted URL is recognized', () => {
  for (const address of ['https://ann:pw@host', 'https://h?x=1&sig=2']) {
    expect(hasRedactedUrl(address)).toBe(false);
    expect(hasRedactedUrl(redact(address))).toBe(true);
  }
  expect(hasRedactedUrl('*** https://host')).toBe(false);
});
