// What rank 0 tells the user before a run.

import Checkpoints
import Corpus
import Model
import Runtime
import Tensors

extension Coordinator {
  static func metricNotice(_ configuration: RunConfiguration, _ tasks: TaskRequests?) -> String? {
    guard configuration.comparesByTask, configuration.comparesEvaluations,
      let isHigher = tasks?.directions[String(configuration.metricForBestModel.dropFirst("eval_".count))],
      isHigher != configuration.greaterIsBetter
    else { return nil }
    return "greater_is_better is \(configuration.greaterIsBetter), but of \(configuration.metricForBestModel) the "
      + "\(isHigher ? "greatest" : "least") is the best"
  }

  /// Warnings of a starting adapter that was trained on another base.
  static func mismatches(_ configuration: RunConfiguration, _ inputs: Inputs) throws -> [String] {
    guard let adapter = configuration.startingAdapter, let directory = configuration.startingAdapterDirectory else {
      return []
    }
    return try AdapterOrigin(directory: directory)?.mismatches(
      model: configuration.baseModel, hash: inputs.baseHash, storage: configuration.weightStorage, adapter: adapter)
      ?? []
  }

  /// What the answers at evaluations leave out of the model's own settings.
  static func sampleNotices(_ configuration: RunConfiguration, _ model: ModelConfiguration) throws -> [String] {
    guard configuration.sampleDocuments > 0 else { return [] }
    let keys = try GenerationDefaults(directory: configuration.baseDirectory, model).ignoredKeys(draws: false)
    return keys.isEmpty
      ? [] : ["sample_documents: \(GenerationDefaults.name): not supported: \(keys.joined(separator: ", "))"]
  }

  static func notices(
    _ configuration: RunConfiguration, _ data: TrainingData, _ demand: PassDemand, _ model: ModelConfiguration,
    ranks: Int
  ) -> [String] {
    var notices: [String] = []
    if !configuration.ignoredKeys.isEmpty {
      notices.append("accepted and without effect here: \(configuration.ignoredKeys.joined(separator: ", "))")
    }
    notices += configuration.notices.lines
    if data.report.limit.isOfModel, configuration.sequenceLength != RunConfiguration().sequenceLength {
      notices.append(
        "sequence_len \(configuration.sequenceLength) is more than the model's \(data.report.limit.sequenceLength) "
          + "positions (max_position_embeddings), which are the limit")
    }
    notices.append(data.report.description)
    if data.report.truncated > 0, configuration.notices.leavesExcessLength {
      notices.append(
        "excess_length_strategy is not given: longer examples lose the middle of their prompt, where axolotl leaves them "
          + "out (excess_length_strategy: drop)")
    }
    notices += data.notices
    if let report = data.heldOutReport { notices.append("held out: \(report.description)") }
    if !data.skipped.isEmpty {
      let places = data.skipped.prefix(3).map { "\($0.location)" }.joined(separator: ", ")
      notices.append(
        "\(data.skipped.count) left out with mistakes, of at most \(configuration.skipBadRecords) (skip_bad_records): "
          + "\(places)\(data.skipped.count > 3 ? ", …" : ""); "
          + "\(configuration.outputDirectory)/\(RunDirectory.skippedRecordsName) lists them")
    }
    notices += data.filterNotices
    if demand.mostMicroBatches < ranks {
      notices.append(
        "\(ranks) ranks, but a step has at most \(demand.mostMicroBatches) micro-batch\(demand.mostMicroBatches == 1 ? "" : "es"): the others wait"
      )
    }
    if configuration.loraDropout > 0, configuration.objective != .supervised {
      notices.append(
        "lora_dropout \(configuration.loraDropout) is active (axolotl's preference runs turn dropout off, as TRL's do)")
    }
    if configuration.startingAdapter != nil {
      notices.append("rank, alpha and targets are those of lora_model_dir")
      if configuration.objective.usesReference {
        notices.append(
          configuration.refersToStartingAdapter
            ? "the reference is a frozen copy of lora_model_dir (rl_adapter_ref_model: false takes the base alone)"
            : "the reference is the base without lora_model_dir (rl_adapter_ref_model: false)")
      }
    }
    let unused = configuration.patternsWithoutWeights(model)
    if !unused.isEmpty {
      notices.append("unfrozen_parameters: no weight has a name that begins as \(unused.joined(separator: ", "))")
    }
    if configuration.usesDoRA, configuration.loraDropout > 0 {
      notices.append(
        "peft_use_dora with lora_dropout multiplies by every weight twice, as PEFT does: without dropout it is faster")
    }
    if configuration.startingAdapter == nil, let notice = configuration.initialisation.notice { notices.append(notice) }
    return notices
  }
}
