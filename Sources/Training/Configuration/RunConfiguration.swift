// The typed configuration of `shoal train`: every default is here, every key in `ConfigurationKeys`.

package import Checkpoints
package import Corpus
package import Evaluation
package import Model
import Tensors

/// What a training run does. The tables of `ConfigurationKeys` say what each property is and which values it has.
package struct RunConfiguration: Sendable, Equatable {
  // MARK: Model and adapter

  /// A directory, or a name of the hub.
  package var baseModel = ""
  /// A branch, a tag or a commit of the hub's.
  package var baseRevision: String?
  /// Whether the base has no weights, and the seed draws them.
  package var drawsWeights = false
  /// Nil: the weights of the model are trained.
  package var adapter: AdapterKind?
  /// Of the frozen linear layers.
  package var weightStorage: WeightStorage {
    switch adapter {
    case .qlora: .nf4
    case .lora: isBaseInEightBits ? .int8 : .stored
    case nil: .stored
    }
  }
  var isBaseInEightBits = false
  /// Patterns of the weights that are trained without an adapter; empty: all.
  package var unfrozenParameters: [String] = []
  /// The element type of the final weights of a run without an adapter.
  package var savedType = SavedType.bfloat16
  /// R in shapes. PEFT's default.
  package var loraRank = 8
  /// PEFT's default (axolotl has none; LLaMA-Factory's is twice the rank).
  package var loraAlpha = 8.0
  package var loraDropout = 0.0
  /// NEFTune's α; 0: no noise.
  package var embeddingNoise = 0.0
  /// In the model's order. PEFT's default for Qwen2 is the query and value projections.
  package var loraTargetModules = ["q_proj", "v_proj"]
  package var usesRSLoRA = false
  /// Modules that are trained and saved beside a fresh adapter, by the ends of their paths.
  package var savedModules: [String] = []
  package var usesDoRA = false
  package var initialisation = AdapterInitialisation.uniform
  package var startingAdapter: String?
  /// The keys of a fresh adapter that are given although there is a `startingAdapter`: they must say what it has.
  package var statedAdapterKeys: Set<String> = []

  // MARK: Objective

  package var objective = Objective.supervised
  package var refersToStartingAdapter = false
  package var precomputesReferenceLogProbs = true
  package var referenceLogProbsCache: String?

  // MARK: Data

  package var datasets: [Dataset.Source] = []
  package var trainsOnInputs = false
  package var testDatasets: [Dataset.Source] = []
  /// The directory of the examples of large data.
  package var preparedPath: String?
  package var heldOut: ValidationSize?
  /// axolotl's default is 512, which would cut most documents; Shoal pads nothing, so a high limit costs nothing.
  package var sequenceLength = 2048
  /// In tokens; 0 and 1 leave out nothing.
  package var minimumSampleLength = 0
  package var dropsDuplicates = false
  package var excessLengthStrategy = ExcessLengthStrategy.truncateMiddle
  package var skipBadRecords = 0
  package var dropsEqualPairs = false
  package var shufflesMergedDatasets = true
  package var usesCurriculumSampling = false
  package var chatTemplate = ChatTemplate.Choice.own
  package var chatTemplateVariables: [JSONValue.Member] = []
  package var defaultSystemMessage: String?
  package var specialTokens = SpecialTokens()
  /// The tokens that end turns; nil: the template's.
  package var endOfTurnTokens: [String]?

  // MARK: Steps

  package var batchSize = 1
  /// Rows of a batch where samples are packed, else 1: examples are not divided otherwise.
  package var microBatchSize = 1
  package var packsSamples = false
  package var packing = SamplePacking()
  package var epochs = 1.0
  package var maximumSteps: Int?
  package var seed = 42
  package var gradientCheckpointing = Checkpointing.off
  /// Bytes of private memory per rank.
  package var memoryLimit: Int?

  // MARK: Optimizer

  package var optimizer = OptimizerName.adamW
  package var learningRate = 0.0
  package var loraPlus: LoRAPlus?
  package var adamBeta1 = 0.9
  package var adamBeta2 = 0.999
  package var adamEpsilon = 1e-8
  package var weightDecay = 0.0
  package var maximumGradientNorm = 1.0
  package var schedule = LearningRateShape.cosine
  package var warmup = LearningRateWarmup.none
  package var cosineMinimumRatio: Double?
  package var cosineConstantRatio: Double?
  package var hasQuadraticWarmup = false
  package var cooldownSteps = 0

  // MARK: Reports and checkpoints

  /// Besides the evaluations before the first and after the last step.
  package var evaluations = Interval.never
  /// Once per epoch is axolotl's default.
  package var saves = Interval.perEpoch(1)
  package var saveTotalLimit: Int?
  /// Between micro-batches.
  package var saveMinutes = 10.0
  package var logs = Interval.steps(1)
  package var sampleDocuments = 0
  /// What evaluations run beside the held-out examples.
  package var evaluationTasks: [TaskChoice] = []
  package var savesFirstStep = false
  /// Whether a state is saved when its evaluation is the best so far.
  package var savesBest = false
  package var earlyStoppingPatience: Int?
  package var metricForBestModel = "eval_loss"
  package var greaterIsBetter = false
  /// Whether the final adapter is that of the best evaluation, instead of the last step's.
  package var endsWithBest = false
  package var outputDirectory = "./model-out"
  package var resumeFromCheckpoint: String?
  package var autoResumesFromCheckpoints = true

  /// Where the names of the hub are: set by `locateModels`.
  private var locatedBase, locatedAdapter: String?

  /// Keys that were accepted and have no effect: the inert ones in the order of the file, then those that others
  /// make void. One notice lists them.
  package var ignoredKeys: [String] = []
  package var notices = Notices()

  /// The directories of the base and of the adapter that training starts from.
  package var baseDirectory: String { locatedBase ?? baseModel }
  package var startingAdapterDirectory: String? { locatedAdapter ?? startingAdapter }

  /// Finds both in the hub's cache, once, so that a run reads one snapshot.
  /// - Throws: `HubRefusal` for what the cache lacks.
  package mutating func locateModels() throws(HubRefusal) {
    locatedBase = try HubCache.directory(of: baseModel, revision: baseRevision, for: .model)
    if let startingAdapter { locatedAdapter = try HubCache.directory(of: startingAdapter, for: .adapter) }
  }

  /// The names of the hub that its cache has not, or not whole, with what is wanted of them.
  package var missingFromHub: [(name: HubName, revision: String?, globs: [String])] {
    let names: [(text: String, revision: String?, content: HubCache.Content)] =
      [(baseModel, baseRevision, .model)] + (startingAdapter.map { [($0, nil, .adapter)] } ?? [])
    let models = names.compactMap { text, revision, content -> (HubName, String?, [String])? in
      guard HubCache.isLookedFor(text), let name = HubName(text) else { return nil }
      let found = try? HubCache.directory(of: text, revision: revision, for: content)
      return found == nil || found == text ? (name, revision, []) : nil
    }
    let data = (datasets + testDatasets).flatMap { source in
      source.paths.compactMap(HubDataset.init).filter {
        $0.name.hasOwner && (try? $0.path(revision: source.revision)) == nil
      }.map { ($0.name, source.revision, $0.globs) }
    }
    return models + data
  }

  /// The defaults; `base_model`, `learning_rate` and `datasets` have none.
  init() {}
}

/// LoRA beside the base as it is stored or in 8 bits, or in 4 bits (QLoRA).
package enum AdapterKind: String, Sendable, CaseIterable { case lora, qlora }

/// The element types of saved weights, under the names of the configuration.
package enum SavedType: String, Sendable, CaseIterable {
  case bfloat16 = "bf16"
  case float16 = "f16"
  case float32 = "f32"

  var elementType: ElementType {
    switch self {
    case .bfloat16: .bfloat16
    case .float16: .float16
    case .float32: .float32
    }
  }
}

/// The optimizers, under the names of the configuration.
package enum OptimizerName: String, Sendable, CaseIterable {
  case adamW = "adamw_torch"
  case lion
}

extension RunConfiguration {
  /// LoRA+ (Hayou et al. 2024a).
  package struct LoRAPlus: Sendable, Equatable {
    /// How many times as fast B learns as A.
    package var ratio: Double
    package var weightDecay: Double

    package init(ratio: Double, weightDecay: Double) { (self.ratio, self.weightDecay) = (ratio, weightDecay) }
  }

  /// Forward passes of a step that come before those it learns from: a reference that is not known, and the sums of
  /// the whole step where one example's gradient depends on the others.
  var scoringPassesPerStep: Int {
    (objective.usesReference && !precomputesReferenceLogProbs ? 1 : 0) + (objective.needsWholeStep ? 1 : 0)
  }

  /// Whether a step is made of rows of examples. Preference data are never packed.
  package var packs: Bool { packsSamples && objective == .supervised }

  /// Whether the best state of all evaluations so far is always saved.
  var keepsBest: Bool { endsWithBest || savesBest }

  /// Whether what the run ends with depends on when it is evaluated.
  var dependsOnEvaluations: Bool { endsWithBest || earlyStoppingPatience != nil }

  /// What the user should know of the file that was read: a line each. It is no part of what a run does, so two
  /// configurations that differ in it alone are equal.
  package struct Notices: Sendable, Equatable {
    package var lines: [String] = []
    /// Whether the file leaves to the default what becomes of longer examples.
    package var leavesExcessLength = false

    package static func == (_: Self, _: Self) -> Bool { true }
  }

  package enum Checkpointing: Sendable {
    case off, on, automatic
  }

  /// Tokens that take the place of the tokenizer's own.
  package struct SpecialTokens: Sendable, Equatable {
    /// Ends completions that are plain texts, and answers.
    package var endOfSequence: String?
  }

  /// How often something is done.
  package enum Interval: Sendable, Equatable {
    case never
    /// Every so many optimizer steps.
    case steps(Int)
    /// Every so many steps, as a share of all steps of the run, between 0 and 1.
    case share(Double)
    case perEpoch(Int)
  }
}
