// The metrics of the harness's output types.

import Checkpoints
import Patterns

/// What makes the metrics of a task's documents.
struct HarnessMetrics: Sendable {
  private let definition: TaskDefinition
  private let match: ExactMatch?
  private let programs: ProgramMetric?
  let aggregations: [String: Aggregation]
  private(set) var higherIsBetter: [JSONValue.Member]

  /// The metrics of each output type.
  private static func known(_ type: OutputType) -> Set<String> {
    switch type {
    case .multipleChoice: ChoiceMetrics.names
    case .logLikelihood: ["perplexity", "acc"]
    case .rolling: ["word_perplexity", "byte_perplexity", "bits_per_byte", "token_perplexity"]
    case .generation: ["exact_match", "pass_at_k"]
    }
  }

  /// - Throws: `DocumentProblem` for metrics, options and aggregations that are not built.
  init(_ definition: TaskDefinition, runner: (any ProgramRunner)?) throws(DocumentProblem) {
    var aggregations: [String: Aggregation] = [:]
    var higherIsBetter: [JSONValue.Member] = []
    var (match, programs): (ExactMatch?, ProgramMetric?) = (nil, nil)
    for metric in definition.metrics {
      guard Self.known(definition.outputType).contains(metric.name),
        let usual = Aggregation(metric: metric.name)
      else {
        throw DocumentProblem(
          "the metric \"\(metric.name)\" is not built for \(definition.outputType.rawValue); there are "
            + Self.known(definition.outputType).sorted().joined(separator: ", "))
      }
      guard let aggregation = metric.aggregation.map({ Aggregation(rawValue: $0) }) ?? usual else {
        throw DocumentProblem("the aggregation \"\(metric.aggregation ?? "")\" of \(metric.name) is not built")
      }
      aggregations[metric.name] = aggregation
      let isHigher = metric.higherIsBetter ?? Aggregation.higherIsBetter(metric: metric.name)
      higherIsBetter.append(.init(metric.name, .bool(isHigher)))
      if definition.outputType == .generation, metric.name == "exact_match" { match = try ExactMatch(metric.options) }
      if metric.name == "pass_at_k" {
        let metric = try ProgramMetric(metric.options, runner, repeats: definition.repeats)
        for name in metric.names {
          aggregations[name] = aggregation
          higherIsBetter.append(.init(name, .bool(isHigher)))
        }
        programs = metric
      }
    }
    (self.definition, self.match, self.programs) = (definition, match, programs)
    (self.aggregations, self.higherIsBetter) = (aggregations, higherIsBetter)
  }

  private func has(_ name: String) -> Bool { definition.metrics.contains { $0.name == name } }

  /// The metrics of documents.
  /// - Parameter builder: knows the parts of documents.
  func values(
    _ items: [TaskItem], _ responses: [FilteredResponses], _ builder: PromptBuilder
  ) throws -> [[DocumentMetric]] {
    let programValues = try programs?.values(
      zip(items, responses).map { item, response in
        guard case .texts(let texts) = response else { return ([], "") }
        return (texts.first?.array?.compactMap(\.string) ?? [], PythonText.string(item.target))
      })
    return try items.indices.map { place in
      let item = items[place]
      do {
        return try values(item, responses[place], builder, programValues?[place] ?? [])
      } catch let problem as DocumentProblem {
        throw EvaluationError(definition.name, item.document.location, problem.reason)
      }
    }
  }

  private func values(
    _ item: TaskItem, _ response: FilteredResponses, _ builder: PromptBuilder, _ programValues: [DocumentMetric]
  ) throws -> [DocumentMetric] {
    switch response {
    case .texts(let texts): return try answered(item, texts.first ?? .null, builder, programValues)
    case .likelihoods(let likelihoods):
      switch definition.outputType {
      case .multipleChoice:
        let gold = builder.choosesText ? try builder.text(of: item.document.value) : item.target
        let metrics = ChoiceMetrics(
          choices: try builder.choices(of: item.document.value), gold: gold,
          hasSeveralTargets: builder.hasSeveralTargets)
        return metrics.values(likelihoods, definition.metrics.map(\.name))
      case .rolling: return likelihoods.first.map { rolled(item, $0) } ?? []
      default:
        guard let likelihood = likelihoods.first else { return [] }
        return (has("perplexity") ? [DocumentMetric("perplexity", .number(likelihood.sum))] : [])
          + (has("acc") ? [DocumentMetric("acc", .integer(likelihood.isGreedy ? 1 : 0))] : [])
      }
    }
  }

  private func rolled(_ item: TaskItem, _ likelihood: TextLikelihood) -> [DocumentMetric] {
    let text = item.target.string ?? ""
    let counts = [
      ("token_perplexity", likelihood.tokenCount), ("word_perplexity", text.wordCount),
      ("byte_perplexity", text.utf8.count), ("bits_per_byte", text.utf8.count),
    ]
    return counts.filter { has($0.0) }.map { DocumentMetric($0.0, .weighted(likelihood.sum, by: $0.1)) }
  }

  // MARK: Answers

  private func answered(
    _ item: TaskItem, _ response: JSONValue, _ builder: PromptBuilder, _ programValues: [DocumentMetric]
  ) throws -> [DocumentMetric] {
    var metrics: [DocumentMetric] = []
    for metric in definition.metrics {
      if metric.name == "pass_at_k" {
        metrics += programValues
      } else if let match {
        let answer = response.string ?? response.array?.first.map(PythonText.string) ?? PythonText.string(response)
        let isMatch = try expected(item, builder).contains { expected throws(DocumentProblem) in
          try match.holds(answer, expected)
        }
        metrics.append(DocumentMetric("exact_match", .number(isMatch ? 1 : 0)))
      }
    }
    return metrics
  }

  /// The texts of which one is the answer.
  private func expected(_ item: TaskItem, _ builder: PromptBuilder) throws(DocumentProblem) -> [String] {
    if definition.choice != nil {
      let choices = try builder.choices(of: item.document.value)
      guard let number = item.target.index, choices.indices.contains(number) else {
        throw DocumentProblem("there is no choice \(PythonText.string(item.target).prefix(40))")
      }
      return [choices[number]]
    }
    return (builder.hasSeveralTargets ? item.target.array ?? [item.target] : [item.target]).map(PythonText.string)
  }
}

extension String {
  /// The number of words as lm-eval counts them: one more than there are runs of white space.
  fileprivate var wordCount: Int {
    var (count, isInside) = (1, false)
    for scalar in unicodeScalars {
      let isSpace = scalar.isPythonSpace
      if isSpace, !isInside { count += 1 }
      isInside = isSpace
    }
    return count
  }
}
