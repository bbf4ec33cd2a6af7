export { redact } from './redact';
export { Secret, isSecret, type SecretSource } from './secret';
export { literalSecretsWarning, maskedConfig, maskedForMessage } from './mask';
