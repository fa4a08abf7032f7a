// The layout of an adapter as its file describes it.

import Checkpoints
package import Tensors

extension AdapterLayout {
  /// The layout of an adapter for a model.
  package init(_ adapter: AdapterConfiguration, model: ModelConfiguration) {
    self.init(
      configuration: model,
      layers: (0..<model.layerCount).map { layer in
        Dictionary(
          uniqueKeysWithValues: adapter.targets(layer: layer).map {
            ($0.module, Shape(rank: $0.rank, scale: Float(adapter.scaling(of: $0))))
          })
      }, form: adapter.form)
  }

  /// The part of an arena that holds one PEFT matrix.
  package func matrix(_ name: AdapterMatrix, in arena: Storage) -> Matrix {
    let found =
      switch name.side {
      case .a: a(name.module, layer: name.layer, in: arena)
      case .b: b(name.module, layer: name.layer, in: arena)
      case .magnitude: magnitude(name.module, layer: name.layer, in: arena)
      }
    guard let found else { preconditionFailure("\(name.name) is no matrix of this layout") }
    return found
  }
}
