export { withGradient, withoutGradient } from './custom-gradient';
export { orderAfter } from './order-after';
export { recomputed } from './rematerialization';
export { innerGradients, valueAndGradients } from './value-and-gradients';
