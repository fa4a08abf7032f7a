// axolotl's keys that no result depends on here: accepted, and listed when a run starts.

extension ConfigurationKeys {
  static let inert = [
    InertKeys("Anchors", "what they hold counts where an alias (`*name`, `<<: *name`) stands for it", "x-*"),
    InertKeys(
      "Python classes", "Shoal reads the model's files itself",
      """
      model_type type_of_model cls_model_config tokenizer_type tokenizer_use_fast tokenizer_legacy
      tokenizer_use_mistral_common tokenizer_save_jinja_files processor_type processor_kwargs trust_remote_code
      is_falcon_derived_model is_llama_derived_model is_mistral_derived_model is_qwen_derived_model low_cpu_mem_usage
      qlora_sharded_model_loading experimental_skip_move_to_device torchdistx_path strict debug
      """),
    InertKeys(
      "Data loading", "large data are read and tokenised once, by all processors",
      """
      dataset_processes dataset_num_proc dataset_keep_in_memory skip_prepare_dataset
      num_dataset_shards_to_save push_dataset_to_hub hf_use_auth_token remove_unused_columns streaming
      streaming_multipack_buffer_size pretrain_multipack_buffer_size preprocess_iterable is_preprocess
      dataloader_*
      """),
    InertKeys(
      "Packing and padding", "nothing is padded, and no result depends on what an example is computed with",
      """
      eval_sample_packing sample_packing_mp_start_method sample_packing_drop_attention_mask pretrain_multipack_attn
      batch_flattening pad_to_sequence_len
      pad_to_multiple_of group_by_length dpo_padding_free
      total_num_tokens total_supervised_tokens
      """),
    InertKeys(
      "Number formats", "weights stay as they are stored, and arithmetic is in 32 bits",
      """
      bf16 fp16 fp8 fp8_enable_fsdp_float8_all_gather tf32 bfloat16 float16 float32 torch_dtype
      peft_autocast_adapter_dtype bnb_config_kwargs embeddings_skip_upcast fp32_norms fp32_norm_classes
      """),
    InertKeys(
      "GPU kernels", "they compute the same by other means",
      """
      flash_attention flash_attn_cross_entropy flash_attn_rms_norm flash_attn_fuse_qkv flash_attn_fuse_mlp
      flash_attn_d512 flash_optimum xformers_attention sdp_attention sdpa_varlen flex_attention
      flex_attn_compile_kwargs eager_attention sage_attention attn_implementation large_head_attention
      gemma4_hybrid_attn_impl fused_attn_kernel lora_mlp_kernel lora_qkv_kernel lora_o_kernel lora_embedding_kernel
      dpo_use_logits_to_keep dpo_use_liger_kernel use_kernels tiled_mlp tiled_mlp_num_shards
      tiled_mlp_use_original_mlp torch_compile* unsloth_* liger_* cut_cross_entropy cut_cross_entropy_*
      chunked_cross_entropy chunked_cross_entropy_*
      """),
    InertKeys(
      "GPU memory", "`gradient_checkpointing` and `memory_limit` govern memory",
      """
      gradient_checkpointing_kwargs selective_checkpointing activation_offloading layer_offloading lora_on_cpu
      max_memory gpu_memory_limit gc_steps gc_collect_steps torch_empty_cache_steps relora_cpu_offload
      """),
    InertKeys(
      "Devices and processes", "mpirun makes the processes, and no result depends on their number",
      """
      local_rank world_size device device_map accelerator_config heads_k_stride ring_attn_func
      sequence_parallel_degree context_parallel_size tensor_parallel_size dp_shard_size dp_replicate_size fsdp*
      deepspeed* deepcompile ddp* use_ray ray_* resources_per_worker axolotl_config_path
      """),
    InertKeys(
      "Experts, images and sound", "the models here are dense and read text alone",
      """
      experts_implementation expert_backend expert_parallel_* quantize_moe_experts llama4_linearized_experts
      dense_mixer nonexpert_quantization moe_* use_scattermoe use_sonicmoe use_dsv4_kernels use_glm_dsa_kernels dsv4_*
      gemma4_fp8_nonexpert gemma4_nf4_nonexpert nvfp4_merge_aware nvfp4_merge_aware_start_step freeze_mm_modules
      image_size image_resize_algorithm role_boundaries
      """),
    InertKeys(
      "Embeddings", "no token is added, and no embedding has an adapter",
      """
      loraplus_lr_embedding resize_token_embeddings_to_32x mean_resizing_embeddings peft_ensure_weight_tying
      """),
    InertKeys(
      "Evaluation",
      "they change no adapter; an evaluation is the loss and its metrics, exact for any batch size, and "
        + "`sample_documents` asks for answers",
      """
      eval_batch_size eval_table_size eval_table_max_new_tokens eval_max_new_tokens do_causal_lm_eval
      eval_causal_lm_metrics do_bench_eval bench_dataset bench_split dpo_generate_during_eval lm_eval_*
      generate_samples num_generation_samples generation_*
      """),
    InertKeys(
      "Checkpoints", "a checkpoint is safetensors files with all that a resumed run needs",
      "save_safetensors save_only_model dynamic_checkpoint merge_lora merge_method"),
    InertKeys(
      "Trackers and profilers", "a run's numbers are in `metrics.jsonl`, and nothing is uploaded",
      """
      loss_watchdog_threshold loss_watchdog_patience profiler_steps profiler_steps_start include_tokens_per_second
      include_tkps use_tensorboard use_wandb use_mlflow use_comet use_swanlab use_trackio report_to wandb_* mlflow_*
      hf_mlflow_log_artifacts comet_* swanlab_* trackio_* hub_* gradio_* use_otel_metrics otel_*
      """),
    InertKeys(
      "Arguments of what is not on", "they say more about another key, which is refused where it is on",
      """
      quantization vllm num_labels center_rewards_coefficient optim_target_modules adam_beta3 adam_epsilon2 dion_*
      qgalore_* lr_div_factor eaft_alpha eaft_k scaling_softmax_factor scaling_softmax_bias pose_* lisa_layers_attribute
      relora_prune_ratio relora_prune_method jagged_restart_warmup_steps jagged_restart_anneal_steps kd_ce_alpha
      kd_alpha kd_beta kd_temperature kd_temperature_min kd_normalize_topk kd_online_* grokfast_* nemo_gym_*
      spectrum_* model_quantization_config_kwargs gptq_* dataset_shard_idx recipe save_compressed
      """),
    InertKeys(
      "Not read by axolotl either", "they stand in many files, of other trainers or of old versions",
      """
      data_seed max_prompt_len eta_min adam_eps bnb_4bit_quant_type bnb_4bit_use_double_quant bnb_4bit_compute_dtype
      base_model_ignore_patterns preprocessing_num_workers push_adapter_to_hub push_to_hub hf_hub_token lora_out_dir use_liger_kernel tensorboard_log_dir
      train_on_split seq_len_schedule test_value
      """),
  ]
}
