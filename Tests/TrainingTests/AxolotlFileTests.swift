import Corpus
import Model
import Testing
import Training

/// The axolotl configuration of the experiment that Shoal continues, key by key.
private let experiment = """
  base_model: Qwen/Qwen2-1.5B-Instruct
  model_type: AutoModelForCausalLM
  tokenizer_type: AutoTokenizer
  trust_remote_code: true
  load_in_8bit: false
  load_in_4bit: true
  strict: false

  rl: dpo
  dpo_beta: 0.1
  rl_adapter_ref_model: false
  chat_template: chatml
  default_system_message: You are a helpful assistant.
  datasets:
    - path: train.jsonl
      ds_type: json
      data_files:
      split: train
      type: chatml.intel_prefilled
  dataset_prepared_path: last_run_prepared
  val_set_size: 0.02
  output_dir: ./out
  save_safetensors: true

  sequence_len: 2048
  sample_packing: false
  pad_to_sequence_len: true

  adapter: qlora
  lora_model_dir:
  lora_r: 32
  lora_alpha: 64
  lora_dropout: 0.05
  lora_target_linear: true
  lora_target_modules:
  lora_fan_in_fan_out:

  wandb_project: summarize
  wandb_entity:
  wandb_watch:
  wandb_name: qwen
  wandb_log_model:
  hub_model_id:

  gradient_accumulation_steps: 4
  micro_batch_size: 1
  num_epochs: 2
  optimizer: adamw_torch
  lr_scheduler: cosine
  learning_rate: 5e-5

  train_on_inputs: false
  group_by_length: false
  bf16: auto
  fp16:
  tf32: false

  gradient_checkpointing: true
  gradient_checkpointing_kwargs:
    use_reentrant: false
  early_stopping_patience:
  resume_from_checkpoint:
  auto_resume_from_checkpoints: true
  local_rank:
  logging_steps: 1
  xformers_attention:
  flash_attention: true

  warmup_steps: 10
  evals_per_epoch: 4
  eval_table_size:
  saves_per_epoch: 1
  debug:
  deepspeed:
  weight_decay: 0.0
  fsdp:
    - full_shard
    - auto_wrap
  fsdp_config:
    fsdp_offload_params: true
    fsdp_transformer_layer_cls_to_wrap: Qwen2DecoderLayer
  special_tokens:

  """

@Suite struct AxolotlFileTests {
  @Test func `the experiment runs, and what has no effect is listed in order`() throws {
    let run = try configuration(experiment)
    #expect(run.weightStorage == .nf4)
    #expect(run.datasets.map(\.type) == [.intelPrefilled])
    #expect(run.batchSize == 4 && run.epochs == 2 && run.warmup == .steps(10))
    #expect(run.loraTargetModules.count == 7 && run.gradientCheckpointing == .on)
    #expect(run.evaluations == .perEpoch(4) && run.saves == .perEpoch(1))
    #expect(run.preparedPath == "last_run_prepared")
    #expect(run.heldOut == .share(0.02) && run.chatTemplate == .named(.chatml))
    #expect(
      run.ignoredKeys == [
        "model_type", "tokenizer_type", "trust_remote_code", "strict",
        "save_safetensors", "pad_to_sequence_len", "lora_fan_in_fan_out", "wandb_project",
        "wandb_entity",
        "wandb_watch", "wandb_name", "wandb_log_model", "hub_model_id", "group_by_length", "bf16",
        "fp16", "tf32", "gradient_checkpointing_kwargs", "local_rank", "xformers_attention",
        "flash_attention", "eval_table_size", "debug", "deepspeed", "fsdp", "fsdp_config",
      ])
  }
}
