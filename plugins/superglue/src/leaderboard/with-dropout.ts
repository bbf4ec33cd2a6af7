import type { ForwardOptions, Model, OutputHead } from '@graft/core';

/** The same model with one rate in every place that has dropout, instead of its own rates. */
export function withDropout(model: Model, rate: number): Model {
  const dropout = { dropout: rate, attentionDropout: rate };
  const changed = (options?: ForwardOptions): ForwardOptions => ({ ...options, dropout });
  const forward: Model['forward'] = (parameters, fields, options) =>
    model.forward(parameters, fields, changed(options));
  const { head } = model;
  const ownHead: OutputHead | undefined = head && {
    parameters: head.parameters,
    rows: (parameters, fields, options) => head.rows(parameters, fields, changed(options)),
    logits: (parameters, rows) => head.logits(parameters, rows),
  };
  return Object.create(model, { forward: { value: forward }, head: { value: ownHead } }) as Model;
}
