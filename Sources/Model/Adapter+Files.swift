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
      })
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

  /// The tensors of `arena` (weights, gradients or moments) under PEFT's names.
  /// - Parameter prefix: put before every name.
  package func tensors(of arena: Storage, prefix: String = "") -> [OutgoingTensor] {
    matrices.map { name in
      let matrix = matrix(name, in: arena)
      return OutgoingTensor(name: prefix + name.name, type: .float32, shape: [matrix.rows, matrix.columns]) { emit in
        try emit(UnsafeRawBufferPointer(UnsafeBufferPointer(start: matrix.base, count: matrix.rows * matrix.columns)))
      }
    }
  }

  /// Fills `arena` from tensors that `tensors(of:prefix:)` wrote.
  /// - Throws: `ContentError` that names every missing or misshapen tensor.
  package func read(_ file: SafetensorsFile, prefix: String, into arena: Storage) throws(ContentError) {
    var problems: [ContentError.Problem] = []
    for name in matrices {
      let matrix = matrix(name, in: arena)
      guard let entry = file.tensors[prefix + name.name] else {
        problems.append(.init(prefix + name.name, "is missing"))
        continue
      }
      guard entry.type == .float32, entry.shape == [matrix.rows, matrix.columns] else {
        problems.append(
          .init(
            prefix + name.name, "is \(entry.type.rawValue) \(entry.shape)",
            expected: "F32 [\(matrix.rows), \(matrix.columns)]"))
        continue
      }
      UnsafeMutableRawBufferPointer(start: matrix.base, count: 4 * matrix.rows * matrix.columns)
        .copyMemory(from: file.bytes(of: entry))
    }
    guard problems.isEmpty else { throw ContentError(file.path, problems) }
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
        try SafetensorsWriter.write(adapter.layout.tensors(of: adapter.weights), to: $0)
      }
      try directory.file(configurationName, text: configuration.text)
      try inference.writeWithTokenizer(directory.file)
    }
  }
}
