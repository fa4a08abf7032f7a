// axolotl's keys that would change the result and that Shoal does not have: what they do, and what a run lacks without.

extension ConfigurationKeys {
  static let refused = modelParts + tokenizerParts + dataParts + objectiveParts + stepParts

  private static let modelParts = [
    RefusedKeys(
      "qat model_quantization_config gptq use_onebitllms", because: "a base is quantised to NF4 or int8",
      remedy: "use `adapter: qlora` or `load_in_8bit: true`; left out, the base is trained on as it is stored"),
    RefusedKeys(
      "peft loftq_config", because: "a base is quantised without LoftQ",
      remedy: "left out, the adapter starts from zero, not from the quantisation's error"),
    RefusedKeys(
      "base_model_config=@base_model tokenizer_config=@base_model",
      because: "a model's directory is used as it is",
      remedy: "name in `base_model` the directory that has all you mean; left out, its own files are used"),
    RefusedKeys(
      "model_config overrides_of_model_config model_kwargs overrides_of_model_kwargs rope_scaling",
      because: "the model is as its config.json says",
      remedy: "change it there; left out, the model's own settings are used"),
    RefusedKeys(
      "reinit_weights", because: "training starts from the weights of `base_model`",
      remedy: "use `random_init: true` with a directory that has none; left out, training starts from those it has"),
    RefusedKeys(
      "lora_fan_in_fan_out", because: "Qwen2 has no transposed weights",
      remedy: "leave it out: PEFT turns it off for such weights too, and nothing is lost"),
    RefusedKeys(
      "mora", because: "an adapter is LoRA or DoRA",
      remedy: "left out, it has LoRA's update of the weights"),
    RefusedKeys(
      """
      peft_layer_replication peft_layers_pattern peft_layers_to_transform lora_target_parameters lora_rank_pattern
      lora_alpha_pattern
      """, because: "an adapter is the same in every layer",
      remedy: "left out, every layer has it, with `lora_r` and `lora_alpha`"),
    RefusedKeys(
      "peft_trainable_token_indices", because: "rows of an embedding are not trained by themselves",
      remedy: "use `lora_modules_to_save: [embed_tokens]`; left out, tokens that are new to the model stay new"),
    RefusedKeys(
      "lisa_n_layers=0 lisa_step_interval=0", because: "the trained weights are the same in every step",
      remedy: "left out, all of them are; choose them with `unfrozen_parameters`"),
    RefusedKeys(
      "s2_attention scaling_softmax use_pose", because: "attention is the model's own, with its own positions",
      remedy: "left out, the model does not learn longer contexts this way"),
    RefusedKeys(
      "shrink_embeddings", because: "the embedding keeps all its rows", remedy: "left out, unused rows stay"),
  ]

  private static let tokenizerParts = [
    RefusedKeys(
      "fix_untrained_tokens", because: "embeddings are not changed",
      remedy: "left out, tokens that the model was not trained on keep their embeddings")
  ]

  private static let dataParts = [
    RefusedKeys(
      "max_packed_sequence_len", because: "axolotl took it out for `sample_packing`", remedy: "use `sequence_len`"),
    RefusedKeys(
      "eval_sequence_len=@sequence_len", because: "evaluations have the limit `sequence_len` too",
      remedy: "left out, longer held-out examples are treated as longer training examples are"),
    RefusedKeys(
      "dataset_shard_num=0|1", because: "every record is trained on",
      remedy: "left out, all data is used; use `shards` and `shards_idx` of the data sets"),
    RefusedKeys(
      "pretraining_sample_concatenation", because: "a document is an example of its own",
      remedy: "left out, documents are not joined to rows of `sequence_len`"),
  ]

  /// In a data set.
  static let datasetParts = [
    RefusedKeys(
      "length sequence_length min_input_id max_input_id seed", because: "records are read, not made up",
      remedy: "leave it out, with `path: synthetic`"),
    RefusedKeys(
      "chat_template_jinja", because: "one template serves all data sets of a run",
      remedy: "give `chat_template_jinja` at the top"),
    RefusedKeys(
      "input_format input_transform", because: "they belong to types that axolotl took out",
      remedy: "use a mapping as `type`, with `format`"),
  ]

  private static let objectiveParts = [
    RefusedKeys("dpo_norm_loss", because: "a loss has a name", remedy: "use `dpo_loss_type: sigmoid_norm`"),
    RefusedKeys(
      "dpo_use_weighting", because: "all pairs weigh the same",
      remedy: "left out, pairs are not weighted by how likely the model finds them"),
    RefusedKeys(
      "reward_model process_reward_model ebft nemo_gym_enabled",
      because: "no reward model is trained, and nothing is sampled for training", remedy: "choose an objective in `rl`"),
    RefusedKeys(
      "kd_trainer", because: "there is no teacher model to learn from",
      remedy: "left out, the data's tokens alone are learnt"),
    RefusedKeys(
      "diffusion use_eaft trainer_cls hatchery llmcompressor", because: "no such training is built",
      remedy: "left out, tokens are predicted from left to right and weigh the same"),
  ]

  private static let stepParts = [
    RefusedKeys(
      "relora jagged_restart_steps=0",
      because: "an adapter is not merged while it trains, and no schedule starts again",
      remedy: "left out, the update keeps the rank `lora_r`"),
    RefusedKeys(
      "auto_find_batch_size", because: "the batch is as large as the file says",
      remedy: "use `gradient_checkpointing: auto` to save memory"),
    RefusedKeys(
      "optim_args", because: "the optimizers' numbers have keys of their own",
      remedy: "use `adam_beta1`, `adam_beta2`, `adam_epsilon`"),
    RefusedKeys(
      "embedding_lr embedding_lr_scale=1 lr_groups", because: "only adapters are trained",
      remedy: "use `loraplus_lr_ratio` for other rates of A and B"),
  ]
}
