// The typed configuration of `shoal train`: every default is here, every rule in `+Reading`.

package import Corpus
package import Model

/// What a training run does. Keys and meanings are axolotl's unless a comment says otherwise.
package struct RunConfiguration: Sendable, Equatable {
  // MARK: Model and adapter

  /// `base_model`: a directory in hub layout.
  package var baseModel = ""
  /// `adapter: qlora`, `load_in_4bit`: how the frozen base is held.
  package var weightStorage = WeightStorage.stored
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
  /// `peft_init_lora_weights`.
  package var initialisation = AdapterInitialisation.uniform
  /// `lora_model_dir`: a PEFT adapter to start from.
  package var startingAdapter: String?

  // MARK: Objective

  /// `rl` and the keys of its losses.
  package var objective = Objective.supervised
  /// `rl_adapter_ref_model`: the reference is the adapter that training starts from, not the base without one.
  package var refersToStartingAdapter = false
  package var precomputesReferenceLogProbs = true
  /// `ref_log_probs_cache`: the file or directory of the cache, when not the shared one.
  package var referenceLogProbsCache: String?

  // MARK: Data

  package var datasets: [Dataset.Source] = []
  /// `train_on_inputs`: supervised fine-tuning learns its prompts too.
  package var trainsOnInputs = false
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

  package var optimizer = OptimizerName.adamW
  package var learningRate = 0.0
  /// `loraplus_lr_ratio` and its kin.
  package var loraPlus: LoRAPlus?
  /// `adam_beta1`, `adam_beta2`: Lion's too.
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
  /// `cooldown_steps`: the end of the schedules that have one.
  package var cooldownSteps = 0

  // MARK: Reports and checkpoints

  /// `eval_steps` or `evals_per_epoch`, besides the evaluations before the first and after the last step.
  package var evaluations = Interval.never
  /// `save_steps` or `saves_per_epoch`, besides the final adapter. Once per epoch is axolotl's default.
  package var saves = Interval.perEpoch(1)
  /// `save_total_limit`: nil keeps all checkpoints.
  package var saveTotalLimit: Int?
  /// `save_minutes`: the state is also saved so long after the last time, between micro-batches; 0: never.
  package var saveMinutes = 10.0
  package var loggingSteps = 1
  /// `sample_documents`: held-out documents that the model answers at every evaluation.
  package var sampleDocuments = 0
  /// `early_stopping_patience`: evaluations in a row without a lower loss that end the run.
  package var earlyStoppingPatience: Int?
  package var outputDirectory = ""
  package var resumeFromCheckpoint: String?
  package var autoResumesFromCheckpoints = true

  /// Keys that were accepted and have no effect here, in the order of the file. One notice lists them.
  package var ignoredKeys: [String] = []

  /// The defaults; `base_model`, `learning_rate`, `output_dir` and `datasets` have none.
  init() {}
}

/// The optimizers, under the names of the configuration.
package enum OptimizerName: String, Sendable, CaseIterable {
  case adamW = "adamw_torch"
  case lion
}

/// How a fresh adapter is drawn.
package enum AdapterInitialisation: String, Sendable, CaseIterable {
  /// `true`: PEFT's default, Init[A].
  case uniform = "true"
  case gaussian
  /// Init[B]: A zero, B drawn.
  case initB = "init_b"
}

extension RunConfiguration {
  /// LoRA+ (Hayou et al. 2024a).
  package struct LoRAPlus: Sendable, Equatable {
    /// How many times as fast B learns as A.
    package var ratio: Double
    package var weightDecay: Double

    package init(ratio: Double, weightDecay: Double) { (self.ratio, self.weightDecay) = (ratio, weightDecay) }
  }

  /// The schedule of a run of `totalSteps` optimizer steps.
  package func learningRateSchedule(totalSteps: Int) -> LearningRateSchedule {
    LearningRateSchedule(
      shape: schedule, warmup: warmup, totalSteps: totalSteps, cooldownSteps: cooldownSteps,
      minimumRatio: cosineMinimumRatio ?? 0)
  }

  /// Forward passes of a step that come before those it learns from: a reference that is not known, and the sums of
  /// the whole step where one example's gradient depends on the others.
  var scoringPassesPerStep: Int {
    (objective.usesReference && !precomputesReferenceLogProbs ? 1 : 0) + (objective.needsWholeStep ? 1 : 0)
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
