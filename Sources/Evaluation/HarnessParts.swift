// What a task is made of besides its prompts.

/// The filters, the settings of answers and the metrics of a task.
struct HarnessParts: Sendable {
  let filters: [ResponseFilter]
  /// Nil where no answers are asked for.
  let answers: AnswerSettings?
  let metrics: HarnessMetrics

  /// - Throws: `DocumentProblem` for what is not built.
  init(_ definition: TaskDefinition, runner: (any ProgramRunner)?) throws(DocumentProblem) {
    metrics = try HarnessMetrics(definition, runner: runner)
    var filters: [ResponseFilter] = []
    for filter in definition.filters { filters.append(try ResponseFilter(filter.name, filter.steps)) }
    self.filters = filters.isEmpty ? [.none] : filters
    answers =
      definition.outputType == .generation
      ? try AnswerSettings(definition.generationSettings, repeats: definition.repeats) : nil
  }
}
