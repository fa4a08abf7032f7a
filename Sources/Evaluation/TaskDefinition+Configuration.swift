// What results say of a task: the configuration as lm-eval writes it.

package import Checkpoints

extension TaskDefinition {
  /// The members of `configs.TASK`, in lm-eval's order. Functions are their names.
  package func configuration(shotCount: Int, data: [JSONValue.Member]) -> JSONValue {
    var members: [JSONValue.Member] = []
    func add(_ name: String, _ value: JSONValue?) {
      if let value { members.append(.init(name, value)) }
    }
    add("task", .string(name))
    add("task_alias", alias.map(JSONValue.string))
    if !tags.isEmpty { add("tag", tags.count == 1 ? .string(tags[0]) : .array(tags.map(JSONValue.string))) }
    add("dataset_path", dataset.path.map(JSONValue.string))
    add("dataset_name", dataset.name.map(JSONValue.string))
    if !data.isEmpty { add("dataset_kwargs", .object([.init("data_files", .object(data))])) }
    add("training_split", splits.training.map(JSONValue.string))
    add("validation_split", splits.validation.map(JSONValue.string))
    add("test_split", splits.test.map(JSONValue.string))
    add("fewshot_split", shots.split.map(JSONValue.string))
    add("process_docs", processing.map { .string($0.name) })
    add("doc_to_text", text.shown)
    add("doc_to_target", target.shown)
    add("unsafe_code", .bool(runsPrograms))
    add("doc_to_choice", choice?.shown)
    add("description", .string(description))
    add("target_delimiter", .string(targetDelimiter))
    add("fewshot_delimiter", .string(shotDelimiter))
    add("fewshot_config", shotConfiguration)
    add("num_fewshot", .integer(Int64(shotCount)))
    add("metric_list", .array(metrics.map(\.configuration)))
    add("output_type", .string(outputType.rawValue))
    if outputType == .generation { add("generation_kwargs", .object(generationSettings)) }
    add("repeats", .integer(Int64(repeats)))
    if !filters.isEmpty { add("filter_list", .array(filters.map(Self.shown))) }
    let knowsDecontamination = remarks.contains { $0.name == "should_decontaminate" }
    if !knowsDecontamination { add("should_decontaminate", false) }
    members += remarks
    add("gen_prefix", answerPrefix.map(JSONValue.string))
    add("metadata", .object(metadata ?? [.init("version", version)]))
    return .object(members)
  }

  private static func shown(_ filter: (name: String, steps: [FilterStep])) -> JSONValue {
    [
      "name": .string(filter.name),
      "filter": .array(filter.steps.map { .object([.init("function", .string($0.function))] + $0.options) }),
    ]
  }

  private var shotConfiguration: JSONValue {
    func shown(_ field: DocumentField?) -> JSONValue { field?.shown ?? .null }
    return [
      "sampler": .string(shots.sampler.rawValue), "split": shots.split.map(JSONValue.string) ?? .null,
      "process_docs": processing.map { .string($0.name) } ?? .null, "fewshot_indices": .null,
      "samples": shots.samples.map(JSONValue.array) ?? .null, "doc_to_text": shown(shots.text ?? text),
      "doc_to_choice": shown(shots.choice ?? choice), "doc_to_target": shown(shots.target ?? target),
      "gen_prefix": (shots.prefix ?? answerPrefix).map(JSONValue.string) ?? .null,
      "fewshot_delimiter": .string(shots.delimiter ?? shotDelimiter),
      "target_delimiter": .string(shots.targetDelimiter ?? targetDelimiter),
    ]
  }
}

extension DocumentField {
  /// As results show it.
  var shown: JSONValue {
    switch self {
    case .template(let text): .string(text)
    case .value(let value): value
    case .function(let function): .string(function.name)
    }
  }
}

extension MetricSettings {
  fileprivate var configuration: JSONValue {
    var members: [JSONValue.Member] = [.init("metric", .string(name))]
    if let aggregation { members.append(.init("aggregation", .string(aggregation))) }
    if let higherIsBetter { members.append(.init("higher_is_better", .bool(higherIsBetter))) }
    return .object(members + options)
  }
}
