// The typed configuration of `shoal train`: every default is here, every rule in `+Reading`.

package import Corpus

/// What a training run does. Keys and meanings are axolotl's unless a comment says otherwise.
package struct RunConfiguration: Sendable, Equatable {
  // MARK: Model and adapter

  /// `base_model`: a directory in hub layout.
  package var baseModel = ""
  /// `lora_r`, R in shapes. PEFT's default.
  package var loraRank = 8
  /// `lora_alpha`. PEFT's default (axolotl has none; LLaMA-Factory's is twice the rank).
  package var loraAlpha = 8
  package var loraDropout = 0.0
  /// `lora_target_modules` and `lora_target_linear`, as names of projections in the model's order.
  /// PEFT's default for Qwen2 is the query and value projections.
  package var loraTargetModules = ["q_proj", "v_proj"]
  /// `peft_use_rslora`: scale alpha / sqrt(r) instead of alpha / r.
  package var usesRSLoRA = false
  /// `lora_model_dir`: a PEFT adapter to start from.
  package var startingAdapter: String?

  // MARK: Objective

  /// `rl`.
  package var objective = Objective.dpo
  /// `rl_beta` or `dpo_beta`.
  package var beta = 0.1
  /// `dpo_label_smoothing`: the share of labels taken for flipped (cDPO).
  package var labelSmoothing = 0.0
  package var precomputesReferenceLogProbs = true
  /// `ref_log_probs_cache`: the file or directory of the cache, when not the shared one.
  package var referenceLogProbsCache: String?

  // MARK: Data

  package var datasets: [Dataset.Source] = []
  package var testDatasets: [Dataset.Source] = []
  /// `val_set_size`.
  package var heldOut: ValidationSize?
  /// `sequence_len`: the limit on prompt + longest completion, in tokens. axolotl's default is 512,
  /// which would cut most documents; Shoal pads nothing, so a high limit costs nothing.
  package var sequenceLength = 2048
  package var excessLengthStrategy = ExcessLengthStrategy.truncateMiddle
  package var shufflesMergedDatasets = true
  /// `curriculum_sampling`: every epoch in the order of the merged data.
  package var usesCurriculumSampling = false
  package var chatTemplate = ChatTemplateName.tokenizerDefault
  package var defaultSystemMessage: String?

  // MARK: Steps

  /// `batch_size`, or `micro_batch_size` x `gradient_accumulation_steps`: examples per optimizer step
  /// of the whole world.
  package var batchSize = 1
  package var epochs = 1.0
  /// `max_steps`: overrides `num_epochs`.
  package var maximumSteps: Int?
  package var seed = 42
  package var gradientCheckpointing = Checkpointing.off
  /// `memory_limit`: bytes of private memory per rank that automatic recomputation keeps to.
  package var memoryLimit: Int?

  // MARK: Optimizer

  package var learningRate = 0.0
  package var adamBeta1 = 0.9
  package var adamBeta2 = 0.999
  package var adamEpsilon = 1e-8
  package var weightDecay = 0.0
  /// `max_grad_norm`: 0 clips nothing.
  package var maximumGradientNorm = 1.0
  /// `lr_scheduler`.
  package var schedule = LearningRateSchedule.Shape.cosine
  package var warmup = LearningRateSchedule.Warmup.none
  /// `cosine_min_lr_ratio`: where the cosine ends, as a share of the learning rate.
  package var cosineMinimumRatio: Double?

  // MARK: Reports and checkpoints

  /// `eval_steps` or `evals_per_epoch`, besides the evaluations before the first and after the last step.
  package var evaluations = Interval.never
  /// `save_steps` or `saves_per_epoch`, besides the final adapter. Once per epoch is axolotl's default.
  package var saves = Interval.perEpoch(1)
  /// `save_total_limit`: nil keeps all checkpoints.
  package var saveTotalLimit: Int?
  package var loggingSteps = 1
  package var outputDirectory = ""
  package var resumeFromCheckpoint: String?
  package var autoResumesFromCheckpoints = true

  /// Keys that were accepted and have no effect here, in the order of the file. One notice lists them.
  package var ignoredKeys: [String] = []

  /// The defaults; `base_model`, `learning_rate`, `output_dir` and `datasets` have none.
  init() {}
}

extension RunConfiguration {
  package enum Objective: String, Sendable {
    case dpo
  }

  /// `gradient_checkpointing`: false, true, or `auto`: as much recomputation as memory demands.
  package enum Checkpointing: Sendable {
    case off, on, automatic
  }

  /// `chat_template`: the template of the model's own directory, or a family by axolotl's name.
  package enum ChatTemplateName: String, Sendable, CaseIterable {
    case tokenizerDefault = "tokenizer_default"
    case chatml
    case qwen
    case qwen25 = "qwen_25"
  }

  /// How often something is done.
  package enum Interval: Sendable, Equatable {
    case never
    /// Every so many optimizer steps.
    case steps(Int)
    case perEpoch(Int)
  }
}
