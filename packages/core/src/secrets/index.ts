export { redact, rememberSecret } from './redact';
export { Secret, isSecret, type SecretOptions, type SecretSource } from './secret';
export { literalSecretsWarning, maskedConfig, maskedForMessage } from './mask';
