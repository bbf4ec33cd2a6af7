/**
 * The part of the PJRT C API that Graft uses, as the header of version 0.90 lays it out on 64-bit machines: sizes and
 * offsets in bytes. `test/peers/device/pjrt/layout.json` has the whole; a test compares the two. Every struct begins
 * with `struct_size` and `extension_start`, which are not listed.
 */

/** Offset and bytes of a field. */
export type Place = readonly [offset: number, bytes: number];

export interface StructLayout {
  readonly size: number;
  readonly fields: Readonly<Record<string, Place>>;
}

export interface CallLayout extends StructLayout {
  /** Offset of the function in the API's table. */
  readonly at: number;
}

/** Functions by the name behind `PJRT_`, with the struct of their arguments and results. */
export const CALLS = {
  Error_Destroy: { at: 40, size: 24, fields: { error: [16, 8] } },
  Error_Message: { at: 48, size: 40, fields: { error: [16, 8], message: [24, 8], message_size: [32, 8] } },
  Error_GetCode: { at: 56, size: 32, fields: { error: [16, 8], code: [24, 4] } },
  Plugin_Initialize: { at: 64, size: 16, fields: {} },
  Event_Destroy: { at: 80, size: 24, fields: { event: [16, 8] } },
  Event_IsReady: { at: 88, size: 32, fields: { event: [16, 8], is_ready: [24, 1] } },
  Event_Await: { at: 104, size: 24, fields: { event: [16, 8] } },
  Client_Create: {
    at: 120,
    size: 88,
    fields: {
      create_options: [16, 8],
      num_options: [24, 8],
      kv_get_callback: [32, 8],
      kv_get_user_arg: [40, 8],
      kv_put_callback: [48, 8],
      kv_put_user_arg: [56, 8],
      client: [64, 8],
      kv_try_get_callback: [72, 8],
      kv_try_get_user_arg: [80, 8],
    },
  },
  Client_Destroy: { at: 128, size: 24, fields: { client: [16, 8] } },
  Client_PlatformName: {
    at: 136,
    size: 40,
    fields: { client: [16, 8], platform_name: [24, 8], platform_name_size: [32, 8] },
  },
  Client_PlatformVersion: {
    at: 152,
    size: 40,
    fields: { client: [16, 8], platform_version: [24, 8], platform_version_size: [32, 8] },
  },
  Client_AddressableDevices: {
    at: 168,
    size: 40,
    fields: { client: [16, 8], addressable_devices: [24, 8], num_addressable_devices: [32, 8] },
  },
  Client_Compile: {
    at: 200,
    size: 56,
    fields: {
      client: [16, 8],
      program: [24, 8],
      compile_options: [32, 8],
      compile_options_size: [40, 8],
      executable: [48, 8],
    },
  },
  Client_BufferFromHostBuffer: {
    at: 216,
    size: 120,
    fields: {
      client: [16, 8],
      data: [24, 8],
      type: [32, 4],
      dims: [40, 8],
      num_dims: [48, 8],
      byte_strides: [56, 8],
      num_byte_strides: [64, 8],
      host_buffer_semantics: [72, 4],
      device: [80, 8],
      memory: [88, 8],
      device_layout: [96, 8],
      done_with_host_buffer: [104, 8],
      buffer: [112, 8],
    },
  },
  DeviceDescription_Id: { at: 224, size: 32, fields: { device_description: [16, 8], id: [24, 4] } },
  DeviceDescription_Kind: {
    at: 248,
    size: 40,
    fields: { device_description: [16, 8], device_kind: [24, 8], device_kind_size: [32, 8] },
  },
  DeviceDescription_ToString: {
    at: 264,
    size: 40,
    fields: { device_description: [16, 8], to_string: [24, 8], to_string_size: [32, 8] },
  },
  Device_GetDescription: { at: 272, size: 32, fields: { device: [16, 8], device_description: [24, 8] } },
  Device_MemoryStats: {
    at: 312,
    size: 192,
    fields: {
      device: [16, 8],
      bytes_in_use: [24, 8],
      peak_bytes_in_use: [32, 8],
      peak_bytes_in_use_is_set: [40, 1],
      num_allocs: [48, 8],
      num_allocs_is_set: [56, 1],
      largest_alloc_size: [64, 8],
      largest_alloc_size_is_set: [72, 1],
      bytes_limit: [80, 8],
      bytes_limit_is_set: [88, 1],
      bytes_reserved: [96, 8],
      bytes_reserved_is_set: [104, 1],
      peak_bytes_reserved: [112, 8],
      peak_bytes_reserved_is_set: [120, 1],
      bytes_reservable_limit: [128, 8],
      bytes_reservable_limit_is_set: [136, 1],
      largest_free_block_bytes: [144, 8],
      largest_free_block_bytes_is_set: [152, 1],
      pool_bytes: [160, 8],
      pool_bytes_is_set: [168, 1],
      peak_pool_bytes: [176, 8],
      peak_pool_bytes_is_set: [184, 1],
    },
  },
  Executable_Destroy: { at: 360, size: 24, fields: { executable: [16, 8] } },
  Executable_NumOutputs: { at: 392, size: 32, fields: { executable: [16, 8], num_outputs: [24, 8] } },
  Executable_Serialize: {
    at: 432,
    size: 56,
    fields: {
      executable: [16, 8],
      serialized_bytes: [24, 8],
      serialized_bytes_size: [32, 8],
      serialized_executable: [40, 8],
      serialized_executable_deleter: [48, 8],
    },
  },
  LoadedExecutable_Destroy: { at: 440, size: 24, fields: { executable: [16, 8] } },
  LoadedExecutable_GetExecutable: { at: 448, size: 32, fields: { loaded_executable: [16, 8], executable: [24, 8] } },
  LoadedExecutable_Execute: {
    at: 480,
    size: 80,
    fields: {
      executable: [16, 8],
      options: [24, 8],
      argument_lists: [32, 8],
      num_devices: [40, 8],
      num_args: [48, 8],
      output_lists: [56, 8],
      device_complete_events: [64, 8],
      execute_device: [72, 8],
    },
  },
  Executable_DeserializeAndLoad: {
    at: 488,
    size: 64,
    fields: {
      client: [16, 8],
      serialized_executable: [24, 8],
      serialized_executable_size: [32, 8],
      loaded_executable: [40, 8],
      overridden_serialized_compile_options: [48, 8],
      overridden_serialized_compile_options_size: [56, 8],
    },
  },
  Buffer_Destroy: { at: 504, size: 24, fields: { buffer: [16, 8] } },
  Buffer_IsDeleted: { at: 584, size: 32, fields: { buffer: [16, 8], is_deleted: [24, 1] } },
  Buffer_ToHostBuffer: {
    at: 600,
    size: 56,
    fields: { src: [16, 8], host_layout: [24, 8], dst: [32, 8], dst_size: [40, 8], event: [48, 8] },
  },
  Buffer_ReadyEvent: { at: 616, size: 32, fields: { buffer: [16, 8], event: [24, 8] } },
  Executable_OutputElementTypes: {
    at: 760,
    size: 40,
    fields: { executable: [16, 8], output_types: [24, 8], num_output_types: [32, 8] },
  },
  Executable_OutputDimensions: {
    at: 768,
    size: 48,
    fields: { executable: [16, 8], num_outputs: [24, 8], dims: [32, 8], dim_sizes: [40, 8] },
  },
  Executable_GetCompiledMemoryStats: {
    at: 808,
    size: 120,
    fields: {
      executable: [16, 8],
      generated_code_size_in_bytes: [24, 8],
      argument_size_in_bytes: [32, 8],
      output_size_in_bytes: [40, 8],
      alias_size_in_bytes: [48, 8],
      temp_size_in_bytes: [56, 8],
      host_generated_code_size_in_bytes: [64, 8],
      host_argument_size_in_bytes: [72, 8],
      host_output_size_in_bytes: [80, 8],
      host_alias_size_in_bytes: [88, 8],
      host_temp_size_in_bytes: [96, 8],
      peak_memory_in_bytes: [104, 8],
      total_size_in_bytes: [112, 8],
    },
  },
} as const satisfies Readonly<Record<string, CallLayout>>;

export const STRUCTS = {
  NamedValue: {
    size: 56,
    fields: {
      name: [16, 8],
      name_size: [24, 8],
      type: [32, 4],
      string_value: [40, 8],
      int64_value: [40, 8],
      int64_array_value: [40, 8],
      float_value: [40, 4],
      bool_value: [40, 1],
      value_size: [48, 8],
    },
  },
  Program: { size: 48, fields: { code: [16, 8], code_size: [24, 8], format: [32, 8], format_size: [40, 8] } },
  ExecuteOptions: {
    size: 112,
    fields: {
      send_callbacks: [16, 8],
      recv_callbacks: [24, 8],
      num_send_ops: [32, 8],
      num_recv_ops: [40, 8],
      launch_id: [48, 4],
      non_donatable_input_indices: [56, 8],
      num_non_donatable_input_indices: [64, 8],
      context: [72, 8],
      call_location: [80, 8],
      num_tasks: [88, 8],
      task_ids: [96, 8],
      incarnation_ids: [104, 8],
    },
  },
  Buffer_MemoryLayout: { size: 80, fields: { tiled: [16, 56], strides: [16, 32], type: [72, 4] } },
  Buffer_MemoryLayout_Tiled: {
    size: 56,
    fields: {
      minor_to_major: [16, 8],
      minor_to_major_size: [24, 8],
      tile_dims: [32, 8],
      tile_dim_sizes: [40, 8],
      num_tiles: [48, 8],
    },
  },
} as const satisfies Readonly<Record<string, StructLayout>>;
