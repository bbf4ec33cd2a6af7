/** Of the option `tokenizer` of the datasets. */
export const TOKENIZER_DESCRIPTION =
  'The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side.';
