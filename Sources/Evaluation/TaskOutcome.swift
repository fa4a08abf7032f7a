// What a task's responses come to: metrics with their standard errors, and a line for each document.

package import Checkpoints

/// The results of a task.
package struct TaskOutcome: Sendable {
  /// A metric over all documents under one filter.
  package struct Metric: Sendable {
    package var name: String
    package var filter: String
    package var value: Double
    /// Nil where lm-eval gives none.
    package var standardError: Double?

    /// `acc,none`
    package var key: String { "\(name),\(filter)" }
    /// `acc_stderr,none`
    package var errorKey: String { "\(name)_stderr,\(filter)" }
  }

  package let name, alias: String
  package let metrics: [Metric]
  /// Documents that were evaluated, and all.
  package let documentCount: (evaluated: Int, all: Int)
  package let shotCount: Int
  package let version, configuration: JSONValue
  package let higherIsBetter: [JSONValue.Member]
  /// The lines of the file of samples.
  package let samples: [JSONValue]
  /// A hash of all documents, prompts and targets.
  package let hash: String

  /// - Parameter responses: by document and request.
  /// - Throws: what the metrics throw.
  init(_ run: TaskRun, _ responses: [[TaskResponse]], bootstraps: Int) throws {
    var metrics: [Metric] = []
    var samples: [JSONValue] = []
    let hashes = run.items.map(SampleHashes.init)
    for filter in run.filters {
      let filtered = try zip(run.items, responses).map { item, responses in
        do throws(DocumentProblem) {
          return try Self.filtered(responses, item, filter)
        } catch {
          throw EvaluationError(run.name, item.document.location, error.reason)
        }
      }
      let scored = try run.score(run.items, filtered)
      for (place, item) in run.items.enumerated() {
        samples.append(
          TaskSample.line(
            number: place, item, hashes[place], responses[place], filtered[place], filter: filter.name,
            settings: run.answers?.shown, scored[place]))
      }
      metrics += Self.metrics(of: scored, run, filter.name, bootstraps: bootstraps)
    }
    (name, alias, self.metrics, self.samples) = (run.name, run.alias, metrics, samples)
    (documentCount, shotCount) = ((run.items.count, run.documentCount), run.shotCount)
    (version, configuration, higherIsBetter) = (run.version, run.configuration, run.higherIsBetter)
    let texts = run.filters.flatMap { _ in hashes.map { $0.document + $0.prompt + $0.target } }
    hash = SHA256.text(of: Array(texts.joined().utf8))
  }

  /// The outcome of a task whose documents ask for nothing: given texts.
  package init(_ run: TaskRun) throws { try self.init(run, run.items.map { _ in [] }, bootstraps: 0) }

  private static func filtered(
    _ responses: [TaskResponse], _ item: TaskItem, _ filter: ResponseFilter
  ) throws(DocumentProblem) -> FilteredResponses {
    var likelihoods: [TextLikelihood] = []
    var texts: [JSONValue] = []
    for response in responses {
      switch response {
      case .likelihood(let likelihood): likelihoods.append(likelihood)
      case .answers(let answers): texts.append(try filter.apply(answers, item.document.value))
      }
    }
    return texts.isEmpty ? .likelihoods(likelihoods) : .texts(texts)
  }

  private static func metrics(
    of scored: [[DocumentMetric]], _ run: TaskRun, _ filter: String, bootstraps: Int
  ) -> [Metric] {
    var names: [String] = []
    var values: [String: [MetricValue]] = [:]
    for metric in scored.joined() {
      if values[metric.name] == nil { names.append(metric.name) }
      values[metric.name, default: []].append(metric.value)
    }
    return names.map { name in
      let aggregation = run.aggregations[name] ?? .mean
      let values = values[name] ?? []
      return Metric(
        name: name, filter: filter, value: aggregation.value(values),
        standardError: aggregation.standardError(values, bootstraps: bootstraps))
    }
  }
}
