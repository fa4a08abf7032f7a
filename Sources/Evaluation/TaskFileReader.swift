// What the names of a task file mean.

import Checkpoints
import Foundation

/// The members of a task file, read one by one.
struct TaskFileReader {
  let path: String
  let value: JSONValue
  /// The files with the lines of their names, the task's own last.
  let sources: [(path: String, lines: [String: Int])]

  /// What is read.
  private static let known: Set<String> = [
    "task", "task_alias", "tag", "dataset_path", "dataset_name", "dataset_kwargs", "training_split", "validation_split",
    "test_split", "fewshot_split", "doc_to_text", "doc_to_target", "doc_to_choice", "description", "target_delimiter",
    "fewshot_delimiter", "fewshot_config", "num_fewshot", "metric_list", "output_type", "generation_kwargs", "repeats",
    "filter_list", "should_decontaminate", "doc_to_decontamination_query", "gen_prefix", "metadata", "unsafe_code",
  ]

  /// What lm-eval reads and a task here cannot have.
  private static let refused = [
    "group": "groups of tasks are not read: give the file of each task",
    "process_docs": "it is code of Python", "process_results": "it is code of Python",
    "custom_dataset": "it is code of Python", "class": "it is code of Python",
    "doc_to_image": "models here read no images", "doc_to_audio": "models here hear nothing",
    "use_prompt": "promptsource is not read: write the template out",
  ]

  func failure(_ name: String, _ reason: String) -> EvaluationError {
    for source in sources.reversed() {
      if let line = source.lines[name] { return EvaluationError(file: source.path, line: line, "\(name): \(reason)") }
    }
    return EvaluationError(path, "\(name): \(reason)")
  }

  // MARK: Values

  private func member(_ name: String) -> JSONValue? { value[name].flatMap { $0.isNull ? nil : $0 } }

  private func text(_ name: String) throws(EvaluationError) -> String? {
    guard let value = member(name) else { return nil }
    switch value {
    case .string(let text): return text
    case .integer, .number: return PythonText.string(value)
    default: throw failure(name, "expected a text")
    }
  }

  private func count(_ name: String, atMost maximum: Int) throws(EvaluationError) -> Int? {
    guard let value = member(name) else { return nil }
    guard let count = value.int, 0...maximum ~= count else {
      throw failure(name, "expected a whole number up to \(maximum)")
    }
    return count
  }

  private static func field(_ value: JSONValue?) -> DocumentField? {
    switch value {
    case nil, .null?: nil
    case .string(let text)?: .template(text)
    case let value?: .value(value)
    }
  }

  private func items(_ name: String) throws(EvaluationError) -> [JSONValue] {
    guard let value = member(name) else { return [] }
    guard let items = value.array, items.allSatisfy({ $0.members != nil }) else {
      throw failure(name, "expected a list of mappings")
    }
    return items
  }

  // MARK: The task

  func definition() throws(EvaluationError) -> TaskDefinition {
    for member in value.members ?? [] {
      if let reason = Self.refused[member.name], !member.value.isNull { throw failure(member.name, reason) }
      guard Self.known.contains(member.name) || Self.refused[member.name] != nil else {
        throw failure(member.name, "a task has nothing of this name")
      }
    }
    guard let name = try text("task") else { throw EvaluationError(path, "task: the task has no name") }
    guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 != UInt8(ascii: "/") }) else {
      throw failure("task", "a name without white space and / was expected")
    }
    let typeName = try text("output_type") ?? OutputType.generation.rawValue
    guard let type = OutputType(rawValue: typeName) else {
      throw failure("output_type", "expected one of \(OutputType.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard let target = Self.field(member("doc_to_target")) else { throw failure("doc_to_target", "it is missing") }
    let text = Self.field(member("doc_to_text")) ?? (type == .rolling ? .template("") : nil)
    guard let text else { throw failure("doc_to_text", "it is missing") }
    let choice = Self.field(member("doc_to_choice"))
    guard choice != nil || type != .multipleChoice else { throw failure("doc_to_choice", "it is missing") }
    var task = TaskDefinition(name, type, text: text, target: target, choice: choice, metrics: try metrics())
    try readPlaces(&task)
    try readTexts(&task)
    try readShots(&task)
    if let settings = member("generation_kwargs") {
      guard let members = settings.members else { throw failure("generation_kwargs", "expected a mapping") }
      task.generation = members
    }
    task.repeats = max(1, try count("repeats", atMost: 1000) ?? 1)
    task.shotCount = try count("num_fewshot", atMost: 1_000_000)
    task.filters = try filters()
    task.runsPrograms = member("unsafe_code")?.bool ?? false
    return task
  }

  private func readPlaces(_ task: inout TaskDefinition) throws(EvaluationError) {
    task.dataset = (try text("dataset_path"), try text("dataset_name"))
    task.splits = (try text("training_split"), try text("validation_split"), try text("test_split"))
    task.shots.split = try text("fewshot_split")
    task.metadata = member("metadata")?.members
    task.version = member("metadata")?["version"] ?? "Yaml"
    let tags = member("tag")
    task.tags = tags?.string.map { [$0] } ?? tags?.array?.compactMap(\.string) ?? []
    task.alias = try text("task_alias")
    task.remarks = ["should_decontaminate", "doc_to_decontamination_query"].compactMap { name in
      member(name).map { .init(name, $0) }
    }
  }

  private func readTexts(_ task: inout TaskDefinition) throws(EvaluationError) {
    task.description = try text("description") ?? ""
    task.targetDelimiter = try text("target_delimiter") ?? " "
    task.shotDelimiter = try text("fewshot_delimiter") ?? "\n\n"
    task.answerPrefix = try text("gen_prefix")
  }

  private func readShots(_ task: inout TaskDefinition) throws(EvaluationError) {
    guard let settings = member("fewshot_config") else { return }
    guard let members = settings.members else { throw failure("fewshot_config", "expected a mapping") }
    for member in members where !member.value.isNull {
      switch (member.name, member.value) {
      case ("sampler", .string(let name)):
        guard let sampler = ShotSettings.Sampler(rawValue: name) else {
          throw failure("fewshot_config", "expected the sampler default or first_n, found \(name)")
        }
        task.shots.sampler = sampler
      case ("split", .string(let split)): task.shots.split = split
      case ("samples", .array(let samples)): task.shots.samples = samples
      case ("doc_to_text", let value): task.shots.text = Self.field(value)
      case ("doc_to_target", let value): task.shots.target = Self.field(value)
      case ("doc_to_choice", let value): task.shots.choice = Self.field(value)
      case ("gen_prefix", .string(let text)): task.shots.prefix = text
      case ("fewshot_delimiter", .string(let text)): task.shots.delimiter = text
      case ("target_delimiter", .string(let text)): task.shots.targetDelimiter = text
      // lm-eval reads it and does not use it.
      case ("fewshot_indices", _): break
      default: throw failure("fewshot_config", "\"\(member.name)\" is unknown, or has a value of another kind")
      }
    }
    // A split takes precedence.
    if task.shots.split != nil { task.shots.samples = nil }
  }

  private func metrics() throws(EvaluationError) -> [MetricSettings] {
    var metrics: [MetricSettings] = []
    var names: Set<String> = []
    for item in try items("metric_list") {
      guard let name = item["metric"]?.string else { throw failure("metric_list", "an entry has no metric") }
      guard names.insert(name).inserted else { throw failure("metric_list", "\(name) is there twice") }
      guard item["hf_evaluate"]?.bool != true else {
        throw failure("metric_list", "\(name) is code of the hub, which is not run")
      }
      let others = (item.members ?? []).filter {
        !["metric", "aggregation", "higher_is_better", "hf_evaluate"].contains($0.name)
      }
      metrics.append(
        MetricSettings(
          name, aggregation: item["aggregation"]?.string, higherIsBetter: item["higher_is_better"]?.bool,
          options: others))
    }
    return metrics
  }

  private func filters() throws(EvaluationError) -> [(name: String, steps: [FilterStep])] {
    var filters: [(name: String, steps: [FilterStep])] = []
    var names: Set<String> = []
    for item in try items("filter_list") {
      guard let name = item["name"]?.string, let steps = item["filter"]?.array else {
        throw failure("filter_list", "an entry needs a name and a filter")
      }
      guard names.insert(name).inserted else { throw failure("filter_list", "\(name) is there twice") }
      var read: [FilterStep] = []
      for step in steps {
        guard let function = step["function"]?.string else { throw failure("filter_list", "a step has no function") }
        // A step of built-in tasks.
        guard function != "prepend_prompt" else { throw failure("filter_list", "\(function) is unknown") }
        read.append(FilterStep(function, (step.members ?? []).filter { $0.name != "function" }))
      }
      filters.append((name, read))
    }
    return filters
  }

  // MARK: Data

  /// The files of `dataset_kwargs.data_files`, from here or from the task file's directory.
  func files() throws(EvaluationError) -> [(split: String, paths: [String])] {
    guard let files = member("dataset_kwargs")?["data_files"], !files.isNull else { return [] }
    let members = files.members ?? [.init("train", files)]
    var found: [(split: String, paths: [String])] = []
    for member in members {
      let paths = member.value.string.map { [$0] } ?? member.value.array?.compactMap(\.string) ?? []
      guard !paths.isEmpty else { throw failure("dataset_kwargs", "data_files: \(member.name) names no file") }
      found.append((member.name, paths.map(place)))
    }
    return found
  }

  private func place(_ file: String) -> String {
    let directory = (path as NSString).deletingLastPathComponent
    guard !file.hasPrefix("/"), !directory.isEmpty, !FileManager.default.fileExists(atPath: file) else { return file }
    return "\(directory)/\(file)"
  }
}
