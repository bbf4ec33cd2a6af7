import type { AttentionSizes } from '../../program/attention';
import type { Precision } from '../../types';
import { hasKernels } from '../stablehlo/triton/tilings';

/** What decides whether attention can be a kernel of the device. */
export interface AttentionPlace {
  /** As PJRT plugins name their platforms. */
  readonly device: string;
  /** Of products. */
  readonly precision: Precision;
  /** Whether tensors are split over a mesh. */
  readonly onMesh: boolean;
}

/**
 * Whether attention of these sizes is a kernel there: its products have bfloat16 operands, and the compiler cannot split a
 * kernel over a mesh.
 */
export const fusesAttentionOn = ({ device, precision, onMesh }: AttentionPlace, sizes: AttentionSizes): boolean =>
  !onMesh && device === 'cuda' && precision === 'bfloat16' && hasKernels(sizes);
