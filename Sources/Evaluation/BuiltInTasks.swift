// The tasks that are known by name.

import Checkpoints

/// Tasks by name.
package enum BuiltInTasks {
  private static let harness: [TaskDefinition] = [
    .hellaswag, .winogrande, .arcEasy, .arcChallenge, .piqa, .openbookqa, .boolq, .lambadaOpenAI, .gsm8k, .gsm8kCoT,
    .humaneval, .perplexity,
  ]
  private static let subjects: [String: @Sendable (String) -> TaskDefinition] = [
    "mmlu": { TaskDefinition.mmlu($0) }, "mmlu_continuation": { TaskDefinition.mmluContinuation($0) },
  ]

  /// The names of the tasks that are built from documents alone; `preference`, `rouge` and `bertscore` need more.
  package static let names = harness.map(\.name) + subjects.keys.sorted()

  /// The task of a name; nil if there is none, or if it is one of many subjects.
  package static func definition(_ name: String) -> TaskDefinition? { harness.first { $0.name == name } }

  /// The requests of a task; of one with subjects, those of each subject, and the groups of subjects.
  /// - Parameters:
  ///   - data: the file of its documents.
  ///   - shots: the file that examples are drawn from; nil: the documents themselves.
  /// - Throws: `EvaluationError`, `CorpusError`, `ParquetError`.
  package static func runs(
    _ name: String, data: String, shots: String? = nil, _ settings: EvaluationSettings
  ) throws -> (runs: [TaskRun], groups: [TaskGroup]) {
    if let definition = definition(name) {
      let documents = try TaskDocuments(
        path: data, split: definition.evaluatedSplit, subset: definition.dataset.name)
      let pool = try shots.map { try TaskDocuments(path: $0, subset: definition.dataset.name) }
      let files = files(definition, data: data, shots: shots)
      return ([try TaskRun(definition, documents, pool: pool, data: files, settings)], [])
    }
    guard let make = subjects[name] else {
      throw EvaluationError("task \(name)", "there is no such task; there are \(names.joined(separator: ", "))")
    }
    let documents = try TaskDocuments(path: data, split: "test", subset: "all").grouped(by: "subject", of: name)
    let pools = try shots.map {
      try TaskDocuments(path: $0, split: "dev", subset: "all").grouped(by: "subject", of: name)
    }
    var runs: [TaskRun] = []
    var children: [String: [String]] = [:]
    let category = { (subject: String) in MMLUSubjects.category(of: subject) }
    let order = MMLUSubjects.categories.map(\.name)
    let sorted = documents.sorted {
      (order.firstIndex(of: category($0.name)) ?? 0, $0.name) < (order.firstIndex(of: category($1.name)) ?? 0, $1.name)
    }
    for (subject, own) in sorted {
      let definition = make(subject)
      let pool = try pools.map { try $0.first { $0.name == subject }?.documents ?? TaskDocuments([]) }
      runs.append(
        try TaskRun(
          definition, own, pool: pool, data: files(definition, data: data, shots: shots), settings))
      children[category(subject), default: []].append(definition.name)
    }
    return (runs, groups(name, order, children))
  }

  private static func files(_ definition: TaskDefinition, data: String, shots: String?) -> [JSONValue.Member] {
    [.init(definition.evaluatedSplit ?? "test", .string(data))]
      + (shots.map { [.init(definition.shotSplit ?? "train", .string($0))] } ?? [])
  }

  /// The groups of subjects, and the group of these.
  private static func groups(_ name: String, _ order: [String], _ children: [String: [String]]) -> [TaskGroup] {
    let suffix = name == "mmlu" ? "" : "_continuation"
    let categories = order.compactMap { category in
      children[category].map {
        TaskGroup(
          category + suffix, alias: String(category.dropFirst("mmlu_".count)).replacingEvery("_", with: " "),
          version: "2", children: $0, metrics: ["acc"])
      }
    }
    return categories
      + [TaskGroup(name, version: "2", children: categories.map(\.name), metrics: ["acc"])]
  }
}
