// What runs and what is trained: a model, LoRA beside its linear layers, and the weights that are parameters themselves.

package import Checkpoints
package import Tensors

/// The parameters of a policy: LoRA's matrices first, then weights of the model.
package struct PolicyLayout: Sendable, Equatable {
  package let configuration: ModelConfiguration
  package let adapter: AdapterLayout?
  package let parameters: ParameterLayout
  /// The model's own weights that are trained, in the arena.
  private let weights: [WeightName: Range<Int>]
  /// Entries whose gradient is taken for zero, ascending.
  let masked: [Range<Int>]

  /// - Parameters:
  ///   - weights: the weights that are trained, in the order of their files.
  ///   - name: a weight's name as a parameter.
  ///   - rows: the rows (entries of a vector) of a weight that have a gradient, ascending; nil: all.
  package init(
    _ configuration: ModelConfiguration, adapter: AdapterLayout? = nil, weights: [WeightName] = [],
    name: (WeightName) -> String = \.hubName, rows: (WeightName) -> [Range<Int>]? = { _ in nil }
  ) {
    (self.configuration, self.adapter) = (configuration, adapter)
    var parameters = adapter?.parameters.parameters ?? []
    var offset = adapter?.count ?? 0
    var ranges: [WeightName: Range<Int>] = [:]
    var masked: [Range<Int>] = []
    for weight in weights {
      let parameter = Parameter(
        name: name(weight), shape: weight.shape(configuration), offset: offset,
        role: weight.isMatrix ? .matrix : .vector)
      parameters.append(parameter)
      ranges[weight] = parameter.range
      if let rows = rows(weight) {
        let width = parameter.shape.count == 2 ? parameter.shape[1] : 1
        var start = offset
        for own in rows.map({ offset + $0.lowerBound * width..<offset + $0.upperBound * width }) {
          masked.append(start..<own.lowerBound)
          start = own.upperBound
        }
        masked.append(start..<parameter.range.upperBound)
      }
      offset = parameter.range.upperBound
    }
    self.weights = ranges
    self.masked = masked.filter { !$0.isEmpty }
    self.parameters = ParameterLayout(parameters)
  }

  package init(_ adapter: AdapterLayout) { self.init(adapter.configuration, adapter: adapter) }

  package var count: Int { parameters.count }

  /// The layout of the files: that of a relative adapter differs.
  package var saved: PolicyLayout {
    guard let adapter, adapter.form == .relative else { return self }
    let weights = weights.sorted { $0.value.lowerBound < $1.value.lowerBound }.map(\.key)
    return PolicyLayout(configuration, adapter: adapter.saved, weights: weights, name: \.savedName)
  }

  /// The entries of a trained weight; nil for a frozen one.
  package func range(of weight: WeightName) -> Range<Int>? { weights[weight] }

  /// A trained weight in an arena: [out, in], or [1, out] for a vector.
  func matrix(of weight: WeightName, in arena: Storage) -> Matrix? {
    weights[weight].map { range in
      let shape = weight.shape(configuration)
      return Matrix(
        arena, offset: range.lowerBound, rows: shape.count == 2 ? shape[0] : 1, columns: shape[shape.count - 1])
    }
  }

  /// Whether a weight is not trained, also not as another's copy.
  package func isFrozen(_ weight: WeightName) -> Bool { (weight == .head ? headRange : range(of: weight)) == nil }

  /// Whether weights of the model are trained, not LoRA alone.
  package var trainsWeights: Bool { !weights.isEmpty }

  /// All trained weights.
  package var trainedWeights: Set<WeightName> { Set(weights.keys) }

  /// Whether the trained matrix of the head is that of the tokens too.
  var sharesHead: Bool { trainsEmbedding && headRange == weights[.embedding] }

  /// Whether the rows of tokens are trained.
  var trainsEmbedding: Bool { weights[.embedding] != nil }

  /// Whether the head is the embedding in training too. Beside LoRA, PEFT trains a copy of each module that it saves.
  var tiesHead: Bool { configuration.tiesEmbeddings && adapter == nil }

  /// The parameter that the head's gradient belongs to; nil if the head is frozen.
  package var headRange: Range<Int>? { weights[.head] ?? (tiesHead ? weights[.embedding] : nil) }

  /// The first decoder layer with a parameter; the number of layers if there is none.
  package var firstTrainedLayer: Int {
    (0..<configuration.layerCount).first(where: isTrained) ?? configuration.layerCount
  }

  private func isTrained(_ layer: Int) -> Bool {
    LinearModule.allCases.contains { adapter?.shape($0, layer: layer) != nil }
      || weights.keys.contains { $0.layer == layer }
  }

  /// Whether something that a layer's input comes from is trained, so that the input needs its gradient.
  package func needsInputGradient(_ layer: Int) -> Bool { trainsEmbedding || firstTrainedLayer < layer }

  /// Whether a parameter belongs to the first or last layer, or to none.
  package func isInOuterLayer(_ parameter: Parameter) -> Bool {
    let layers = [0, configuration.layerCount - 1]
    if let adapter, parameter.range.upperBound <= adapter.count {
      return adapter.matrices.enumerated().contains {
        adapter.parameters.parameters[$0.offset].range == parameter.range && layers.contains($0.element.layer)
      }
    }
    return weights.first { $0.value == parameter.range }.map { $0.key.layer.map(layers.contains) ?? true } ?? false
  }

  /// A part of this layout for a model of fewer layers or tokens, with the same kinds of parameters.
  package func part(of configuration: ModelConfiguration) -> PolicyLayout {
    PolicyLayout(
      configuration, adapter: adapter?.part(of: configuration),
      weights: WeightName.all(configuration).filter { weights[$0] != nil })
  }
}

/// A model as it is run. Its parameters, if it has any, change in training; everything else is frozen.
package final class Policy: Sendable {
  /// Nil when nothing is trained.
  package let layout: PolicyLayout?
  /// The model, with the trained weights in the arena of the parameters.
  package let model: LanguageModel
  package let adapter: Adapter?
  /// The parameters' values, if weights of the model are among them.
  private let values: Storage?

  /// A weight of the model that is a parameter; nil for a frozen one.
  package func trained(_ name: WeightName) -> Matrix? {
    guard let layout, let values else { return nil }
    return layout.matrix(of: name, in: values)
  }

  /// The parameters' values under their names, as they are saved.
  package var parameterTensors: [OutgoingTensor] {
    guard let layout, let values = values ?? adapter?.weights else { return [] }
    let tensors = layout.parameters.tensors(of: values)
    guard let adapter, adapter.layout.form == .relative else { return tensors }
    let saved = adapter.saved
    return saved.layout.parameters.tensors(of: saved.weights) + tensors.dropFirst(adapter.layout.matrices.count)
  }

  /// A frozen model with an adapter or without.
  package init(_ model: LanguageModel, adapter: Adapter? = nil) {
    layout = adapter.map { PolicyLayout($0.layout) }
    (self.model, self.adapter, values) = (model, adapter, nil)
  }

  /// A policy with the parameters `values`.
  /// - Precondition: the arena has the layout's size.
  package init(_ base: LanguageModel, _ layout: PolicyLayout, values: Storage) {
    precondition(values.count >= layout.count, "\(values.count) values for \(layout.count) parameters")
    self.layout = layout
    adapter = layout.adapter.map { Adapter(layout: $0, weights: values) }
    self.values = values
    model =
      layout.trainsWeights
      ? base.replacing(tiesHead: layout.tiesHead) { layout.matrix(of: $0, in: values) } : base
  }
}
