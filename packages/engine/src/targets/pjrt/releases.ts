import type { Bundle, LibraryFile, Release } from '../../setup/release';

/** The name of the CPU plugin's file. */
export const CPU_PLUGIN_FILE = 'pjrt_c_api_cpu_plugin.so';

/** XLA's plugin for CPUs, which shows in tests what a plugin for an accelerator does. */
export const CPU_PLUGIN: Bundle = {
  what: "XLA's plugin for CPUs",
  command: 'graft engine install pjrt-cpu',
  instead: 'name a plugin that is here already with GRAFT_PJRT_PLUGIN',
  releases: [
    {
      version: '0.11.2',
      package: 'lammps-jax-pjrt-cpu',
      pythonVersion: '3.12',
      platforms: ['manylinux2014_x86_64', 'manylinux_2_17_x86_64', 'manylinux_2_27_x86_64'],
      wheelSha256: '1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1',
      wheelBytes: 62_711_338,
      files: [
        {
          name: CPU_PLUGIN_FILE,
          entry: `lammps_jax_pjrt_cpu/${CPU_PLUGIN_FILE}`,
          bytes: 201_600_336,
          sha256: 'ad1309ac822b1b24d51b7f9947c7c9fa9ef5d67f390584cbc3d1fa2428fed9c2',
        },
      ],
    },
  ],
};

/** Its path inside a site-packages, where it finds NVIDIA's libraries beside itself. */
export const CUDA_PLUGIN_FILE = 'jax_plugins/xla_cuda13/xla_cuda_plugin.so';

const PLATFORMS = ['manylinux2014_x86_64', 'manylinux_2_17_x86_64', 'manylinux_2_27_x86_64'];

/** A wheel whose files keep their paths. `platform`: its own tag, which old releases of pip need last. */
function wheel({
  platform,
  ...release
}: Omit<Release, 'pythonVersion' | 'platforms'> & { readonly platform: string }): Release {
  const others = PLATFORMS.filter((tag) => tag !== platform);
  return { ...release, pythonVersion: '3.12', platforms: [...others, platform] };
}

const file = (name: string, bytes: number, sha256: string): LibraryFile => ({ name, entry: name, bytes, sha256 });
const program = (...given: Parameters<typeof file>): LibraryFile => ({ ...file(...given), program: true });

/**
 * XLA's plugin for NVIDIA's GPUs, and what it needs of NVIDIA's wheels: the CUDA runtime, cuBLAS, cuDNN with NVRTC, ptxas
 * and libdevice for the compiler, and NCCL for several devices. docs/pjrt.md reports what opens which.
 */
export const CUDA_PLUGIN: Bundle = {
  what: "XLA's plugin for CUDA",
  command: 'graft engine install cuda',
  instead: 'name a plugin that is here already with GRAFT_PJRT_PLUGIN',
  releases: [
    wheel({
      package: 'jax-cuda13-pjrt',
      version: '0.11.2',
      platform: 'manylinux_2_27_x86_64',
      wheelSha256: 'e5ff589d43064913bb74027682d89639c7ea48f9f81c2bae6fc75117e913f93e',
      wheelBytes: 134_162_640,
      files: [
        file(
          'jax_plugins/xla_cuda13/xla_cuda_plugin.so',
          411_465_856,
          '43d3efd6fd43d8a5d9aa67176e830d81e4ad5fc19fda4ad09cdcc4aebd9f3920',
        ),
      ],
    }),
    wheel({
      package: 'nvidia-cuda-runtime',
      version: '13.0.96',
      platform: 'manylinux_2_17_x86_64',
      wheelSha256: '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548',
      wheelBytes: 2_243_632,
      files: [
        file(
          'nvidia/cu13/lib/libcudart.so.13',
          704_288,
          '96c42e418cec19054186b9429c321603cc190bf26a18104e19408117a2a817b0',
        ),
      ],
    }),
    wheel({
      package: 'nvidia-cublas',
      version: '13.1.0.3',
      platform: 'manylinux_2_27_x86_64',
      wheelSha256: 'ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171',
      wheelBytes: 423_133_236,
      files: [
        file(
          'nvidia/cu13/lib/libcublas.so.13',
          54_177_976,
          'e70f38efabe986acd5eb683497c62f0f1730a6176ee291d9d24c6e339d1fbf86',
        ),
        file(
          'nvidia/cu13/lib/libcublasLt.so.13',
          541_595_600,
          '656298c804f5adbb0df930545c17911b9584ab4e5101c0eeb65d1fe881d880f8',
        ),
      ],
    }),
    wheel({
      package: 'nvidia-cudnn-cu13',
      version: '9.19.0.56',
      platform: 'manylinux_2_27_x86_64',
      wheelSha256: 'd20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf',
      wheelBytes: 366_066_321,
      files: [
        file(
          'nvidia/cudnn/lib/libcudnn.so.9',
          129_240,
          '94f44e2e8fb2d4bca8c534b14f03ef84e095376dad72a257fd854377ef0b3427',
        ),
        file(
          'nvidia/cudnn/lib/libcudnn_adv.so.9',
          109_169_104,
          '87e2199f5bca489a1ed863afbb0b421c822fe0081a956d8c69216b3ae37c135f',
        ),
        file(
          'nvidia/cudnn/lib/libcudnn_cnn.so.9',
          4_203_904,
          '36480b885ab03685d9b07c9fca4bbaeb3e7c3c7c4d81297cf8195b72cd3d8f20',
        ),
        file(
          'nvidia/cudnn/lib/libcudnn_engines_precompiled.so.9',
          245_391_920,
          '7f8ce268b43c0fab298cc43854a006195bc16c0ed43bedf63b11f3699e92c6ae',
        ),
        file(
          'nvidia/cudnn/lib/libcudnn_engines_runtime_compiled.so.9',
          29_386_400,
          '1b0025cfeab270688d4563e287a5009389464ff140d0ebcf708314223523b99b',
        ),
        file(
          'nvidia/cudnn/lib/libcudnn_graph.so.9',
          4_451_728,
          'e292c689093f22325bffb7f84e68c58067c062a5cdd5534914ac1449f0a4e23f',
        ),
        file(
          'nvidia/cudnn/lib/libcudnn_heuristic.so.9',
          60_822_040,
          '9e0202a6bcc055fc921972f335be9eeec95e469582e0f603f6548df5209ab7dc',
        ),
        file(
          'nvidia/cudnn/lib/libcudnn_ops.so.9',
          39_855_888,
          '3e9182b90e8ba33027c1dcf42741ba2a8799eef3e8047cf341e00a6091ddec97',
        ),
      ],
    }),
    wheel({
      package: 'nvidia-cuda-nvcc',
      version: '13.0.88',
      platform: 'manylinux_2_17_x86_64',
      wheelSha256: '56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03',
      wheelBytes: 37_384_532,
      files: [
        program(
          'nvidia/cu13/bin/nvlink',
          38_140_392,
          'b67c653b9b70bce76b55dded170618bea82f58bdac821bca7c6a7829a4d2b125',
        ),
        program(
          'nvidia/cu13/bin/ptxas',
          37_741_528,
          'daba837a68265cae38c832d13399b61dab811891de9b8914defddef143b849f2',
        ),
      ],
    }),
    wheel({
      package: 'nvidia-nvvm',
      version: '13.0.88',
      platform: 'manylinux_2_12_x86_64',
      wheelSha256: 'c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0',
      wheelBytes: 61_601_415,
      files: [
        file(
          'nvidia/cu13/nvvm/libdevice/libdevice.10.bc',
          464_132,
          '91334d6e12748f6cb5bbf0a1cd965a56bcd93dc4f496d2e5c5f8c6e523094356',
        ),
      ],
    }),
    wheel({
      package: 'nvidia-cuda-nvrtc',
      version: '13.0.88',
      platform: 'manylinux_2_12_x86_64',
      wheelSha256: 'ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575',
      wheelBytes: 90_215_200,
      files: [
        file(
          'nvidia/cu13/lib/libnvrtc-builtins.so.13.0',
          4_380_616,
          '91dcd944d01da9c0f08fff5d779db136a47f6d62bdb63bae900d2f481e92c3a2',
        ),
        file(
          'nvidia/cu13/lib/libnvrtc.so.13',
          109_338_064,
          'a49e67e8e74590f1e98de55c39c6287efd3f59e3c3797464d7bbe0fe01349b11',
        ),
      ],
    }),
    wheel({
      package: 'nvidia-nccl-cu13',
      version: '2.27.7',
      platform: 'manylinux_2_17_x86_64',
      wheelSha256: 'b28a524abd8389b76a4a3f133c76a7aaa7005e47fcaa9d9603b90103927a3f93',
      wheelBytes: 193_901_479,
      files: [
        file(
          'nvidia/nccl/lib/libnccl.so.2',
          210_652_104,
          '51c81bed3832ebf251d26f9366dac57d5ce3e5b4b1cf8dc29e7d60d665213db4',
        ),
      ],
    }),
  ],
};
