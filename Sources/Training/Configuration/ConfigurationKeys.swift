// Every key a configuration may hold, by class, and the key that a misspelt one meant.

import Corpus

enum ConfigurationKeys {
  /// Keys that decide what a run does.
  static let used = [
    "base_model", "adapter", "load_in_4bit", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules",
    "lora_target_linear", "peft_use_rslora", "peft_init_lora_weights", "lora_model_dir",
    "lora_fan_in_fan_out", "rl", "rl_beta", "dpo_beta", "dpo_loss_type", "dpo_label_smoothing",
    "datasets", "test_datasets", "val_set_size", "sequence_len", "excess_length_strategy",
    "micro_batch_size", "gradient_accumulation_steps", "batch_size", "num_epochs", "max_steps", "seed",
    "shuffle_merged_datasets", "curriculum_sampling", "optimizer", "adam_beta1", "adam_beta2",
    "adam_epsilon", "weight_decay", "learning_rate", "lr_scheduler", "warmup_steps", "warmup_ratio",
    "cosine_min_lr_ratio", "max_grad_norm", "gradient_checkpointing", "memory_limit", "precompute_ref_log_probs",
    "ref_log_probs_cache", "eval_steps", "evals_per_epoch", "save_steps", "saves_per_epoch",
    "save_total_limit", "save_minutes", "logging_steps", "output_dir", "resume_from_checkpoint",
    "auto_resume_from_checkpoints", "chat_template", "default_system_message", "special_tokens",
    "orpo_alpha", "rl_adapter_ref_model", "loraplus_lr_ratio", "loraplus_lr_embedding", "loraplus_weight_decay",
    "dpo_loss_weights", "rpo_alpha", "simpo_gamma", "cpo_alpha", "kto_desirable_weight",
    "kto_undesirable_weight", "cooldown_steps", "early_stopping_patience", "sample_documents", "train_on_inputs",
  ]

  /// Keys of this configuration language whose meaning is not built: only empty and false are taken.
  static let notBuilt = ["load_in_8bit"]

  /// Switches of GPUs, of Python frameworks and of trackers: no result depends on them here.
  static let withoutEffect: Set<String> = [
    "model_type", "tokenizer_type", "tokenizer_use_fast", "tokenizer_legacy",
    "tokenizer_save_jinja_files", "processor_type", "trust_remote_code", "is_falcon_derived_model",
    "is_llama_derived_model", "is_mistral_derived_model", "is_qwen_derived_model",
    "save_safetensors", "save_only_model", "strict", "debug",
    "dataset_prepared_path", "dataset_processes", "dataset_num_proc", "dataset_keep_in_memory",
    "skip_prepare_dataset", "push_dataset_to_hub", "hf_use_auth_token", "remove_unused_columns",
    "sample_packing", "sample_packing_eff_est", "sample_packing_group_size",
    "sample_packing_bin_size", "sample_packing_sequentially", "eval_sample_packing",
    "multipack_real_batches", "batch_flattening", "pad_to_sequence_len", "pad_to_multiple_of",
    "group_by_length", "eval_batch_size", "eval_table_size", "eval_max_new_tokens",
    "bf16", "fp16", "fp8", "tf32", "bfloat16", "float16", "float32", "torch_dtype",
    "gradient_checkpointing_kwargs", "activation_offloading", "flash_attention",
    "flash_attn_cross_entropy", "flash_attn_rms_norm", "flash_attn_fuse_qkv", "flash_attn_fuse_mlp",
    "flash_optimum", "xformers_attention", "sdp_attention", "flex_attention",
    "flex_attn_compile_kwargs", "eager_attention", "sage_attention", "attn_implementation",
    "lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_on_cpu",
    "qlora_sharded_model_loading", "peft_autocast_adapter_dtype", "bnb_config_kwargs",
    "dpo_use_logits_to_keep", "dpo_padding_free", "dpo_use_liger_kernel", "use_kernels",
    "local_rank", "world_size", "device", "device_map", "max_memory", "gpu_memory_limit",
    "low_cpu_mem_usage", "accelerator_config", "gc_steps", "heads_k_stride", "ring_attn_func",
    "sequence_parallel_degree", "context_parallel_size", "tensor_parallel_size", "dp_shard_size",
    "dp_replicate_size", "experimental_skip_move_to_device", "loss_watchdog_threshold",
    "loss_watchdog_patience", "profiler_steps", "profiler_steps_start", "include_tokens_per_second",
    "include_tkps", "use_tensorboard", "use_wandb", "use_mlflow", "use_comet", "use_swanlab",
    "report_to", "torchdistx_path",
  ]

  /// Families of such switches.
  static let prefixesWithoutEffect = [
    "wandb_", "mlflow_", "comet_", "swanlab_", "trackio_", "hub_", "fsdp", "deepspeed", "ddp",
    "dataloader_", "torch_compile", "unsloth_", "liger_", "ray_", "gradio_",
  ]

  /// axolotl's options that would change a result and that Shoal does not have: only off is taken.
  static let foreign: Set<String> = [
    "adam_beta3", "adam_epsilon2", "added_tokens_overrides", "auto_find_batch_size",
    "base_model_config", "chat_template_jinja", "cosine_constant_lr_ratio",
    "dataset_exact_deduplication", "dataset_shard_idx", "dataset_shard_num", "do_bench_eval",
    "do_causal_lm_eval", "dpo_norm_loss", "dpo_use_weighting", "embedding_lr", "embedding_lr_scale",
    "eot_tokens", "eval_strategy", "fix_untrained_tokens", "gptq", "load_best_model_at_end",
    "lora_modules_to_save", "lora_target_parameters", "loftq_config", "lr_groups",
    "lr_quadratic_warmup", "lr_scheduler_kwargs", "max_prompt_len", "min_sample_len",
    "neftune_noise_alpha", "noisy_embedding_alpha", "optim_args", "optim_target_modules",
    "peft",
    "peft_layer_replication", "peft_layers_pattern", "peft_layers_to_transform",
    "peft_trainable_token_indices", "peft_use_dora", "plugins", "pretraining_dataset",
    "process_reward_model", "qat", "quantization", "relora", "relora_steps", "reward_model",
    "revision_of_model", "s2_attention", "save_strategy", "tokenizer_config", "tokens", "trl",
    "unfrozen_parameters", "vllm",
  ]

  /// Keys that a resumed run may change: what is printed and saved, not what is trained.
  static let freeOnResume: Set<String> = [
    "logging_steps", "save_steps", "saves_per_epoch", "save_total_limit", "save_minutes", "eval_steps",
    "sample_documents",
    "evals_per_epoch", "output_dir", "ref_log_probs_cache", "resume_from_checkpoint",
    "auto_resume_from_checkpoints", "gradient_checkpointing", "memory_limit",
  ]

  /// Keys of one entry of `datasets` and `test_datasets`.
  static let usedOfDataset =
    [
      "path", "data_files", "ds_type", "type", "split", "message_property_mappings", "roles", "roles_to_train",
      "train_on_eos",
    ] + RecordFields.Field.allCases.map(\.key)
  static let notBuiltOfDataset = ["chat_template", "message_field_training", "drop_system_message"]
  static let withoutEffectOfDataset: Set<String> = ["trust_remote_code", "revision", "name"]

  /// What other trainers call these keys, where it is not the end of our name.
  private static let otherNames = [
    "model_name_or_path": "base_model", "model": "base_model", "lora_rank": "lora_r",
    "lora_target": "lora_target_modules", "beta": "rl_beta", "pref_beta": "rl_beta",
    "dataset_name": "datasets", "max_length": "sequence_len", "max_seq_len": "sequence_len",
    "max_seq_length": "sequence_len", "cutoff_len": "sequence_len",
    "truncation_mode": "excess_length_strategy", "per_device_train_batch_size": "micro_batch_size",
    "num_train_epochs": "num_epochs", "lr": "learning_rate", "lr_scheduler_type": "lr_scheduler",
    "grad_accumulation_steps": "gradient_accumulation_steps", "val_size": "val_set_size",
    "save_every": "save_steps", "steps_per_eval": "eval_steps", "iters": "max_steps",
  ]

  static func isWithoutEffect(_ key: String) -> Bool {
    withoutEffect.contains(key) || prefixesWithoutEffect.contains { key.hasPrefix($0) }
  }

  /// The known key that `key` probably meant: another trainer's name for it, one with a longer name
  /// that ends so (`target_modules`), or one a few letters away.
  static func nearest(to key: String, among known: [String]) -> String? {
    if let name = otherNames[key], known.contains(name) { return name }
    let longer = known.filter { $0.hasSuffix("_" + key) }
    if longer.count == 1 { return longer.first }
    return Spelling.nearest(to: key, among: known)
  }
}
