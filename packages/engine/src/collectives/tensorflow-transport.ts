import { WorkersError } from '@graft/errors';
import type { NativeBackend } from '../targets/tensorflow/tensorflow-target';
import { formatAddress, parseAddress } from './addresses';
import type { Connection } from './connection';
import { unusable } from './control/coordinator-node';
import { freePort, listenOnce } from './ports';
import { serverDef } from './server-def';
import { TensorFlowGroup } from './tensorflow-group';
import type { JoinOptions } from './types';

const BUCKET_BYTES = 16 << 20;
/** Time limit for the first tensor between workers that have met already. */
const FIRST_TENSOR_SECONDS = 60;

let joined = false;

/** TensorFlow's own collective operations, over gRPC between the workers' processes. */
export async function tensorFlowTransport(
  native: NativeBackend,
  { workers, rank, bucketBytes = BUCKET_BYTES }: JoinOptions,
): Promise<Connection> {
  // TensorFlow replaces the context's device, which would make every existing tensor's pointer invalid.
  if (joined || native.binding.runtime.liveTensors > 0) {
    throw new WorkersError(
      'A process can join one group of workers over TensorFlow, before it makes its first tensor.',
      { code: 'workers.late' },
    );
  }
  joined = true;
  const addresses = workers.map(parseAddress);
  // Worker 0 uses its own address for meeting, and another port for its tensors.
  const dataPort = rank === 0 ? await freePort() : addresses[rank].port;
  if (rank > 0) await checkPort(workers[rank]);
  return {
    dataPort,
    connect: async (channel, ports) => {
      const tensorAddresses = addresses.map(({ host }, i) => formatAddress({ host, port: ports[i] }));
      enable(native, tensorAddresses, rank, workers[rank]);
      // No worker may connect to a server that has not started yet.
      await channel.exchange('listening');
      const group = new TensorFlowGroup(native, channel, { workers, rank, bucketBytes });
      await group.firstContact(FIRST_TENSOR_SECONDS);
      return group;
    },
  };
}

function enable(
  { binding: { runtime } }: NativeBackend,
  addresses: readonly string[],
  rank: number,
  own: string,
): void {
  // gRPC would send tensors through the web proxy, even between neighbours.
  const hosts = [process.env.no_grpc_proxy, ...addresses.map((address) => parseAddress(address).host)];
  process.env.no_grpc_proxy = hosts.filter(Boolean).join(',');
  const proto = serverDef(addresses, rank, runtime.threads);
  runtime.api.TFE_EnableCollectiveOps(runtime.context, proto, proto.length, runtime.sharedStatus);
  try {
    runtime.check('starting the server for tensors');
  } catch (cause) {
    throw new WorkersError(`The worker ${own} cannot take tensors: ${(cause as Error).message}`, {
      code: 'workers.server',
      cause,
    });
  }
}

async function checkPort(worker: string): Promise<void> {
  try {
    await listenOnce(parseAddress(worker).port);
  } catch (error) {
    const { message, ...options } = unusable(worker, error as NodeJS.ErrnoException);
    throw new WorkersError(message, options);
  }
}
