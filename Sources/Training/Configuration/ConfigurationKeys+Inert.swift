// axolotl's keys that no result depends on here: accepted, and listed when a run starts.

extension ConfigurationKeys {
  static let inert = [
    InertKeys("Anchors", "what they hold counts where an alias (`*name`, `<<: *name`) stands for it", "x-*"),
    InertKeys(
      "Python classes", "Shoal reads Qwen2's files itself",
      """
      model_type tokenizer_type tokenizer_use_fast tokenizer_legacy tokenizer_save_jinja_files processor_type
      trust_remote_code is_falcon_derived_model is_llama_derived_model is_mistral_derived_model is_qwen_derived_model
      low_cpu_mem_usage qlora_sharded_model_loading experimental_skip_move_to_device torchdistx_path strict debug
      """),
    InertKeys(
      "Data loading", "large data are read and tokenised once, by all processors",
      """
      dataset_processes dataset_num_proc dataset_keep_in_memory skip_prepare_dataset
      push_dataset_to_hub hf_use_auth_token remove_unused_columns dataloader_*
      """),
    InertKeys(
      "Packing and padding", "nothing is padded, and no result depends on what an example is computed with",
      """
      eval_sample_packing sample_packing_mp_start_method sample_packing_drop_attention_mask pretrain_multipack_attn
      pretrain_multipack_buffer_size streaming_multipack_buffer_size batch_flattening pad_to_sequence_len
      pad_to_multiple_of group_by_length dpo_padding_free
      """),
    InertKeys(
      "Number formats", "weights stay as they are stored, and arithmetic is in 32 bits",
      "bf16 fp16 fp8 tf32 bfloat16 float16 float32 torch_dtype peft_autocast_adapter_dtype bnb_config_kwargs"),
    InertKeys(
      "GPU kernels", "they compute the same by other means",
      """
      flash_attention flash_attn_cross_entropy flash_attn_rms_norm flash_attn_fuse_qkv flash_attn_fuse_mlp
      flash_optimum xformers_attention sdp_attention flex_attention flex_attn_compile_kwargs eager_attention
      sage_attention attn_implementation lora_mlp_kernel lora_qkv_kernel lora_o_kernel dpo_use_logits_to_keep
      dpo_use_liger_kernel use_kernels torch_compile* unsloth_* liger_* cut_cross_entropy cut_cross_entropy_*
      chunked_cross_entropy chunked_cross_entropy_*
      """),
    InertKeys(
      "GPU memory", "`gradient_checkpointing` and `memory_limit` govern memory",
      "gradient_checkpointing_kwargs activation_offloading lora_on_cpu max_memory gpu_memory_limit gc_steps"),
    InertKeys(
      "Devices and processes", "mpirun makes the processes, and no result depends on their number",
      """
      local_rank world_size device device_map accelerator_config heads_k_stride ring_attn_func
      sequence_parallel_degree context_parallel_size tensor_parallel_size dp_shard_size dp_replicate_size fsdp*
      deepspeed* ddp* ray_*
      """),
    InertKeys("LoRA+", "no embedding has an adapter", "loraplus_lr_embedding"),
    InertKeys(
      "Evaluation", "an evaluation is exact for any batch size, and `sample_documents` asks for answers",
      "eval_batch_size eval_table_size eval_max_new_tokens"),
    InertKeys(
      "Checkpoints", "a checkpoint is safetensors files with all that a resumed run needs",
      "save_safetensors save_only_model"),
    InertKeys(
      "Trackers and profilers", "a run's numbers are in `metrics.jsonl`, and nothing is uploaded",
      """
      loss_watchdog_threshold loss_watchdog_patience profiler_steps profiler_steps_start include_tokens_per_second
      include_tkps use_tensorboard use_wandb use_mlflow use_comet use_swanlab report_to wandb_* mlflow_* comet_*
      swanlab_* trackio_* hub_* gradio_*
      """),
  ]
}
