// What a configuration trains of a model.

import Checkpoints
import Model

extension RunConfiguration {
  /// The parameters of a run.
  /// - Parameter adapter: nil: weights of the model are trained.
  func layout(_ adapter: AdapterConfiguration?, _ model: ModelConfiguration) -> PolicyLayout {
    if let adapter { return PolicyLayout(AdapterLayout(adapter, model: model)) }
    return PolicyLayout(model, weights: trainedWeights(model))
  }

  /// The weights that are trained without an adapter, in the order of a checkpoint.
  private func trainedWeights(_ model: ModelConfiguration) -> [WeightName] {
    let all = WeightName.all(model)
    guard !unfrozenParameters.isEmpty else { return all }
    let patterns = unfrozenParameters.compactMap { try? ParameterPattern($0) }
    return all.filter { name in patterns.contains { $0.matches(name.hubName) } }
  }

  /// Requires that the patterns choose something.
  /// - Throws: `ContentError`.
  func requireTrainedWeights(_ model: ModelConfiguration) throws(ContentError) {
    guard adapter == nil, trainedWeights(model).isEmpty else { return }
    throw ContentError(
      "unfrozen_parameters", "chooses no weight of \(baseModel)",
      expected: "patterns at the start of names such as \(WeightName.linear(.up, layer: 0).hubName)")
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
