/** The parameters that may train, of which a run keeps gradients and moving averages: all but frozen ones. */
export const trainable = <P extends { readonly frozen?: boolean }>(parameters: readonly P[]): P[] =>
  parameters.filter(({ frozen }) => !frozen);
