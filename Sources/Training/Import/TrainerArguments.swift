// transformers' TrainingArguments, which TRL and LLaMA-Factory share.

extension Translation {
  /// - Parameter learningRate: the trainer's default.
  mutating func translateTrainerArguments(learningRate: Double) {
    give("micro_batch_size", from: "per_device_train_batch_size", else: .integer(8))
    give("gradient_accumulation_steps", from: "gradient_accumulation_steps", else: .integer(1))
    note("the batch is that of the whole world here, however many ranks; there it is that of one device")
    give("num_epochs", from: "num_train_epochs", else: .number(3))
    if let steps = take("max_steps", as: .limit), let steps { give("max_steps", .integer(steps)) }
    give("learning_rate", from: "learning_rate", else: .number(learningRate))
    give("lr_scheduler", from: "lr_scheduler_type", else: .text("linear"))
    give("lr_scheduler_kwargs", from: "lr_scheduler_kwargs")
    let steps = take("warmup_steps")
    if let ratio = take("warmup_ratio"), steps?.isOff ?? true || steps?.finiteNumber == 0 {
      give("warmup_ratio", ratio)
    } else {
      give("warmup_steps", steps ?? .integer(0))
    }
    give("optimizer", from: "optim", else: .text("adamw_torch"))
    for key in ["adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm"] { give(key, from: key) }
    give("weight_decay", from: "weight_decay", else: .number(0))
    give("seed", from: "seed", else: .integer(42))
    give("output_dir", from: "output_dir", else: .text("trainer_output"))
    translateIntervals()
    for key in [
      "save_total_limit", "metric_for_best_model", "greater_is_better", "neftune_noise_alpha",
    ] where isOn(key) { give(key, from: key) }
    give("load_best_model_at_end", from: "load_best_model_at_end", else: .bool(false))
    if let checkpoint = take("resume_from_checkpoint"), !checkpoint.isOff { give("resume_from_checkpoint", checkpoint) }
    lose("data_seed", "`seed` orders the data too")
    lose("label_smoothing_factor", unless: "0.0", "the loss is not smoothed")
    lose("dataloader_drop_last", "the last step of an epoch takes what is left")
    lose("optim_args", "use adam_beta1, adam_beta2, adam_epsilon")
    lose("push_to_hub", "nothing is uploaded")
    drop(
      """
      per_device_eval_batch_size eval_accumulation_steps bf16 fp16 bf16_full_eval fp16_full_eval tf32 pure_bf16
      gradient_checkpointing_kwargs torch_* use_cpu ddp_* deepspeed fsdp* local_rank dataloader_* report_to run_name
      logging_dir logging_first_step logging_strategy log_level* disable_tqdm remove_unused_columns save_only_model
      save_safetensors overwrite_output_dir do_train do_eval do_predict trust_remote_code hub_* use_liger_kernel
      liger_kernel_config average_tokens_across_devices include_num_input_tokens_seen eval_on_start attn_implementation
      activation_offloading project trackio_* wandb_* swanlab_* group_by_length env full_determinism
      """)
  }

  private mutating func translateIntervals() {
    give("gradient_checkpointing", from: "gradient_checkpointing")
    give("logging_steps", from: "logging_steps")
    let saves = take("save_strategy")?.source ?? "steps"
    let saveSteps = take("save_steps") ?? .integer(500)
    switch saves {
    case "epoch": give("saves_per_epoch", .integer(1))
    case "steps", "best": give("save_steps", saveSteps)
    default: give("save_steps", .integer(0))
    }
    let evaluations = take("eval_strategy")?.source ?? take("evaluation_strategy")?.source
    let evaluationSteps = take("eval_steps")
    switch evaluations {
    case "epoch": give("evals_per_epoch", .integer(1))
    case "steps": give("eval_steps", evaluationSteps ?? section["logging_steps"] ?? .integer(500))
    default: break
    }
  }
}
