import type { Pointer } from '../../../foreign/memory';
import type { TensorFlowApi } from './api';

/** Operations that run one after the other on a thread of their own, in the order in which they were started. */
export class OperationQueue {
  /** The executor of the queue, made with the first operation, and that of everything else. */
  private queue: Pointer | undefined;
  private ownExecutor: Pointer | undefined;

  constructor(
    private readonly api: TensorFlowApi,
    private readonly context: Pointer,
    private readonly status: Pointer,
  ) {}

  /** `start` puts an operation into the queue, and returns whether that worked; if not, the status says why. */
  start(start: () => boolean): void {
    const { api, context } = this;
    this.ownExecutor ??= api.TFE_ContextGetExecutorForThread(context);
    this.queue ??= this.create();
    // An operation belongs to the executor under which it is created, not run.
    api.TFE_ContextSetExecutorForThread(context, this.queue);
    try {
      if (start()) return;
      // The queue may have stopped because of an earlier operation; its error is reported when its result is read.
      api.TFE_ExecutorClearError(this.queue);
      start();
    } finally {
      api.TFE_ContextSetExecutorForThread(context, this.ownExecutor);
    }
  }

  /** Lets the queue continue after an operation that failed. */
  clearError(): void {
    if (this.queue) this.api.TFE_ExecutorClearError(this.queue);
  }

  /** Waits until the queue is empty. A failed operation is reported when its result is read. */
  drain(): void {
    if (!this.queue) return;
    this.api.TFE_ExecutorWaitForAllPendingNodes(this.queue, this.status);
    if (this.api.TF_GetCode(this.status) === 0) return;
    this.api.TFE_ExecutorClearError(this.queue);
    this.api.TF_SetStatus(this.status, 0, '');
  }

  private create(): Pointer {
    // A process that exits while the library computes would free its memory during the computation.
    process.once('exit', () => this.drain());
    return this.api.TFE_NewExecutor(1, 1, 0);
  }
}
