// axolotl's keys that would change the result and that Shoal does not have.

extension ConfigurationKeys {
  static let refused = [
    RefusedKeys(
      "gptq qat quantization loftq_config", because: "NF4 is the one quantisation",
      remedy: "use `adapter: qlora`, or leave it out"),
    RefusedKeys(
      "base_model_config revision_of_model", because: "the model is a local directory as it is",
      remedy: "name the directory of the model you mean in `base_model`"),
    RefusedKeys("lora_fan_in_fan_out", because: "Qwen2 has no transposed weights"),
    RefusedKeys(
      """
      peft peft_use_dora peft_layer_replication peft_layers_pattern peft_layers_to_transform
      peft_trainable_token_indices lora_modules_to_save lora_target_parameters unfrozen_parameters
      """, because: "an adapter is plain LoRA on linear layers, the same in every layer",
      remedy: "choose them with `lora_target_modules`"),
    RefusedKeys("relora relora_steps", because: "an adapter is not merged while it trains"),
    RefusedKeys("s2_attention", because: "attention is always full"),
    RefusedKeys(
      "tokenizer_config tokens added_tokens_overrides fix_untrained_tokens",
      because: "the tokenizer is the one in the model's directory", remedy: "change its files, or leave it out"),
    RefusedKeys(
      "pretraining_dataset", because: "all data is in `datasets`", remedy: "list it there with `type: completion`"),
    RefusedKeys(
      "dataset_exact_deduplication dataset_shard_idx dataset_shard_num max_prompt_len min_sample_len",
      because: "every record is trained on, up to `sequence_len`", remedy: "filter the files, or leave it out"),
    RefusedKeys("dpo_norm_loss", because: "a loss has a name", remedy: "use `dpo_loss_type: sigmoid_norm`"),
    RefusedKeys("dpo_use_weighting", because: "all pairs weigh the same"),
    RefusedKeys("neftune_noise_alpha noisy_embedding_alpha", because: "nothing adds noise to embeddings"),
    RefusedKeys(
      "reward_model process_reward_model trl vllm",
      because: "no reward model is trained, and nothing is sampled for training", remedy: "choose an objective in `rl`"),
    RefusedKeys(
      "auto_find_batch_size", because: "the batch is as large as the file says",
      remedy: "use `gradient_checkpointing: auto` to save memory"),
    RefusedKeys(
      "adam_beta3 adam_epsilon2 optim_args optim_target_modules", because: "AdamW and Lion have no such numbers"),
    RefusedKeys(
      "embedding_lr embedding_lr_scale lr_groups", because: "only adapters are trained",
      remedy: "use `loraplus_lr_ratio` for other rates of A and B"),
    RefusedKeys(
      "cosine_constant_lr_ratio lr_quadratic_warmup", because: "schedules have keys of their own",
      remedy: "use `warmup_steps`, `cooldown_steps`, `cosine_min_lr_ratio`"),
    RefusedKeys(
      "eval_strategy save_strategy", because: "the interval alone decides",
      remedy: "use `eval_steps`, `evals_per_epoch`, `save_steps` or `saves_per_epoch`"),
    RefusedKeys(
      "load_best_model_at_end", because: "the final adapter is that of the last step",
      remedy: "take the checkpoint that the run names at its end, which is never pruned"),
    RefusedKeys("do_bench_eval do_causal_lm_eval", because: "an evaluation is the loss and its metrics"),
  ]
}
