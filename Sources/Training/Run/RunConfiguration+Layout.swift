// What a configuration trains of a model.

import Checkpoints
import Model

extension RunConfiguration {
  /// Opens the base, or draws it.
  /// - Throws: as `ModelDirectory`.
  func openModel(threads: Int) throws -> ModelDirectory {
    guard drawsWeights else { return try ModelDirectory(baseDirectory) }
    return try ModelDirectory(drawing: baseDirectory, seed: UInt64(bitPattern: Int64(seed)), threads: threads)
  }

  /// The parameters of a run.
  /// - Parameter adapter: nil: weights of the model are trained.
  func layout(_ adapter: AdapterConfiguration?, _ model: ModelConfiguration) -> PolicyLayout {
    if let adapter { return PolicyLayout(adapter, model: model) }
    let patterns = unfrozenParameters.compactMap { try? ParameterPattern($0) }
    return PolicyLayout(
      model, weights: trainedWeights(model),
      rows: { name in
        Self.rows(patterns.filter { $0.matches(name.hubName) }.compactMap(\.rows), of: name.shape(model)[0])
      })
  }

  /// Ranges of rows as disjoint ascending ones; nil for none, which means all rows.
  private static func rows(_ ranges: [Range<Int>], of count: Int) -> [Range<Int>]? {
    guard !ranges.isEmpty else { return nil }
    return ranges.map { $0.clamped(to: 0..<count) }.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) {
      if let last = $0.last, $1.lowerBound <= last.upperBound {
        $0[$0.count - 1] = last.lowerBound..<max(last.upperBound, $1.upperBound)
      } else if !$1.isEmpty {
        $0.append($1)
      }
    }
  }

  /// The weights that are trained without an adapter, in the order of a checkpoint.
  private func trainedWeights(_ model: ModelConfiguration) -> [WeightName] {
    let all = WeightName.all(model)
    guard !unfrozenParameters.isEmpty else { return all }
    let patterns = unfrozenParameters.compactMap { try? ParameterPattern($0) }
    return all.filter { name in patterns.contains { $0.matches(name.hubName) } }
  }

  /// Requires that the patterns choose something, and that modules to save are of this model.
  /// - Throws: `ContentError`.
  func requireTrainedWeights(_ model: ModelConfiguration) throws(ContentError) {
    for name in savedModules where adapter != nil {
      guard let refusal = WeightName.refusal(ofSaved: name, in: model) else { continue }
      throw ContentError(
        "lora_modules_to_save", "names \(name), \(refusal)", expected: "embed_tokens, lm_head or norms of \(baseModel)")
    }
    guard adapter == nil else { return }
    try requireRows(model)
    guard trainedWeights(model).isEmpty else { return }
    throw ContentError(
      "unfrozen_parameters", "chooses no weight of \(baseModel)",
      expected: "patterns at the start of names such as \(WeightName.linear(.up, layer: 0).hubName)")
  }

  /// Requires that ranges begin inside their weights.
  private func requireRows(_ model: ModelConfiguration) throws(ContentError) {
    for text in unfrozenParameters {
      guard let pattern = try? ParameterPattern(text), let rows = pattern.rows else { continue }
      for name in WeightName.all(model) where pattern.matches(name.hubName) {
        let count = name.shape(model)[0]
        guard rows.lowerBound >= count else { continue }
        throw ContentError(
          "unfrozen_parameters", "begins at row \(rows.lowerBound) in \(text)",
          expected: "a row of \(name.hubName), which has \(count), from 0")
      }
    }
  }

  /// The patterns that choose nothing.
  func patternsWithoutWeights(_ model: ModelConfiguration) -> [String] {
    guard adapter == nil else { return [] }
    let names = WeightName.all(model).map(\.hubName)
    return unfrozenParameters.filter { text in
      guard let pattern = try? ParameterPattern(text) else { return true }
      return !names.contains(where: pattern.matches)
    }
  }
}
