// What a task is: how documents become requests, and responses metrics. The tasks that are built in and those of task files
// are values of it.

package import Checkpoints

/// What is asked of a model.
package enum OutputType: String, Sendable, CaseIterable {
  case multipleChoice = "multiple_choice"
  case logLikelihood = "loglikelihood"
  /// How likely whole texts are.
  case rolling = "loglikelihood_rolling"
  case generation = "generate_until"
}

/// How a part of a prompt comes from a document (`doc_to_text` and others).
package enum DocumentField: Sendable {
  /// The name of a field, or else a Jinja template.
  case template(String)
  case value(JSONValue)
  case function(DocumentFunction)
}

/// Where the examples of a prompt come from and how they are written (`fewshot_config`). Nil: as the document itself.
package struct ShotSettings: Sendable {
  package enum Sampler: String, Sendable, CaseIterable {
    case random = "default"
    case first = "first_n"
  }

  package var sampler = Sampler.random
  package var split: String?
  /// Fixed examples.
  package var samples: [JSONValue]?
  package var text, target, choice: DocumentField?
  package var prefix, delimiter, targetDelimiter: String?

  package init() {}
}

/// A step of a filter.
package struct FilterStep: Sendable {
  package var function: String
  package var options: [JSONValue.Member]

  package init(_ function: String, _ options: [JSONValue.Member] = []) {
    (self.function, self.options) = (function, options)
  }
}

/// A metric of a task (an entry of `metric_list`).
package struct MetricSettings: Sendable {
  package var name: String
  /// Nil: the metric's own.
  package var aggregation: String?
  package var higherIsBetter: Bool?
  package var options: [JSONValue.Member] = []

  package init(
    _ name: String, aggregation: String? = nil, higherIsBetter: Bool? = nil, options: [JSONValue.Member] = []
  ) {
    (self.name, self.aggregation, self.higherIsBetter, self.options) = (name, aggregation, higherIsBetter, options)
  }
}

/// A task.
package struct TaskDefinition: Sendable {
  package var name: String
  package var alias: String?
  package var tags: [String] = []
  package var version: JSONValue = .string("Yaml")
  /// `metadata` of a task file; nil: the version alone.
  package var metadata: [JSONValue.Member]?
  package var outputType: OutputType
  package var dataset: (path: String?, name: String?) = (nil, nil)
  package var splits: (training: String?, validation: String?, test: String?) = (nil, nil, nil)
  /// Changes every document, also those that examples are drawn from.
  package var processing: DocumentFunction?
  package var text, target: DocumentField
  package var choice: DocumentField?
  package var description = ""
  package var targetDelimiter = " "
  package var shotDelimiter = "\n\n"
  package var shots = ShotSettings()
  /// The number of examples; nil: none unless asked for. A task of 0 stays one.
  package var shotCount: Int?
  package var metrics: [MetricSettings]
  /// As lm-eval writes them; nil: its defaults.
  package var generation: [JSONValue.Member]?
  /// How often each request is made.
  package var repeats = 1
  package var filters: [(name: String, steps: [FilterStep])] = []
  package var answerPrefix: String?
  /// Whether answers are programs that are run.
  package var runsPrograms = false
  /// What results show of the task and nothing here uses.
  package var remarks: [JSONValue.Member] = []

  package init(
    _ name: String, _ outputType: OutputType, text: DocumentField, target: DocumentField,
    choice: DocumentField? = nil, metrics: [MetricSettings] = []
  ) {
    (self.name, self.outputType) = (name, outputType)
    (self.text, self.target, self.choice) = (text, target, choice)
    self.metrics = metrics.isEmpty ? Self.defaultMetrics(of: outputType) : metrics
  }

  /// The metrics of a task that names none.
  package static func defaultMetrics(of type: OutputType) -> [MetricSettings] {
    let names =
      switch type {
      case .multipleChoice: ["acc", "acc_norm"]
      case .logLikelihood: ["perplexity", "acc"]
      case .rolling: ["word_perplexity", "byte_perplexity", "bits_per_byte"]
      case .generation: ["exact_match"]
      }
    return names.map { MetricSettings($0) }
  }

  /// The generation's settings as lm-eval completes them.
  package var generationSettings: [JSONValue.Member] {
    guard var settings = generation else {
      return [
        .init("temperature", 0.0), .init("do_sample", false), .init("max_gen_toks", 256),
        .init("until", [.string(shotDelimiter)]),
      ]
    }
    for place in settings.indices where settings[place].name == "temperature" {
      if let value = settings[place].value.double { settings[place].value = .number(value) }
    }
    if !settings.contains(where: { $0.name == "until" }) {
      settings.append(.init("until", [.string(shotDelimiter)]))
    }
    return settings
  }

  // MARK: Splits

  /// The split whose documents are evaluated.
  package var evaluatedSplit: String? { splits.test ?? splits.validation }

  /// The split that examples come from, unless they are fixed.
  package var shotSplit: String? { shots.split ?? splits.training ?? splits.validation ?? splits.test }

  /// Whether the document itself is kept out of its examples: lm-eval compares the names of the splits, where two that
  /// are not named are equal.
  package var excludesDocument: Bool { shots.split == splits.test }
}
