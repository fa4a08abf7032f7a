// Reads and writes the adapter's arena as PEFT's files.

package import Checkpoints
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
      }
    guard let found else { preconditionFailure("\(name.name) is no matrix of this layout") }
    return found
  }
}

extension Adapter {
  /// The adapter of an opened PEFT directory.
  /// - Throws: `ContentError` when an entry is not finite.
  package convenience init(_ directory: AdapterDirectory, model: ModelConfiguration) throws(ContentError) {
    self.init(layout: AdapterLayout(directory.configuration, model: model))
    for name in layout.matrices {
      let entries = try directory.entries(of: name)
      layout.matrix(name, in: weights).base.update(from: entries, count: entries.count)
    }
  }
}

extension AdapterDirectory {
  /// Writes an adapter as a PEFT directory.
  /// - Parameter replaces: whether an earlier export that is there is replaced.
  /// - Throws: `FileError` when `path` exists, `WriteError`.
  package static func write(
    _ adapter: Adapter, _ configuration: AdapterConfiguration, _ inference: InferenceFiles, to path: String,
    replaces: Bool = false
  ) throws {
    let bytes = 4 * adapter.layout.count + (1 << 20)
    try AtomicDirectory.write(to: path, neededBytes: bytes, permissions: .umask, replaces: replaces) { directory in
      try directory.file(weightsName) {
        try SafetensorsWriter.write(adapter.layout.parameters.tensors(of: adapter.weights), to: $0)
      }
      try directory.file(configurationName, text: configuration.text)
      try inference.writeWithTokenizer(directory.file)
    }
  }
}
