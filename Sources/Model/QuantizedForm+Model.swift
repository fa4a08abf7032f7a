// Quantises the linear layers of a model.

import Checkpoints
import Tensors

extension QuantizedForm {
  /// The hash of a model with the hash `modelHash` in this form. It differs because the form changes the results.
  package static func contentHash(modelHash: String) -> String {
    ContentHash.sha256(of: Array("\(modelHash) \(name.lowercased())-\(version)".utf8))
  }

  /// - Throws: `ContentError` that names every module whose rows are not whole blocks.
  static func requireWholeBlocks(_ directory: ModelDirectory) throws(ContentError) {
    let problems = LinearModule.allCases.compactMap { module -> ContentError.Problem? in
      let width = module.inputWidth(directory.configuration)
      guard !width.isMultiple(of: block) else { return nil }
      return .init(
        module.rawValue, "has \(width) inputs", expected: "a multiple of \(block), or a base that is not in \(name)")
    }
    guard problems.isEmpty else { throw ContentError(directory.path, problems) }
  }

  /// The matrices of a model that are quantised, in groups that read one input.
  static func groups(_ configuration: ModelConfiguration) -> [[WeightName]] {
    (0..<configuration.layerCount).flatMap { layer in
      InputGroup.allCases.map { $0.modules.map { .linear($0, layer: layer) } }
    } + (includesHead ? [[.head]] : [])
  }

  /// The scales of matrices that read one input.
  /// - Throws: `ContentError` when an entry is not finite.
  static func scales(of names: [WeightName], in directory: ModelDirectory, _ pool: ThreadPool) throws -> [Scales] {
    try read(names, directory, pool) { scales(of: $0, pool) }
  }

  /// The matrix of a linear layer, quantised in memory.
  /// - Throws: as `scales`.
  static func quantized(
    _ module: LinearModule, layer: Int, of directory: ModelDirectory, _ pool: ThreadPool
  ) throws -> Weight {
    let group = InputGroup(of: module)
    return try read(group.modules.map { .linear($0, layer: layer) }, directory, pool) { weights in
      group.modules.firstIndex(of: module).flatMap { quantized(weights, at: $0, pool) }
    }
  }

  /// What `body` makes of the matrices that read one input; nil for an entry that is not finite.
  private static func read<Result>(
    _ names: [WeightName], _ directory: ModelDirectory, _ pool: ThreadPool, _ body: ([Weight]) -> Result?
  ) throws -> Result {
    try directory.released(names) { weights in
      if let result = body(weights) { return result }
      let place = weights.firstIndex { scales(of: [$0], pool) == nil } ?? 0
      let isTied = names[place] == .head && directory.configuration.tiesEmbeddings
      throw ContentError(
        directory.path, (isTied ? .embedding : names[place]).hubName, "holds an entry that is not finite",
        expected: "finite numbers: \(name) has no other")
    }
  }
}

extension ModelDirectory {
  /// Calls `body` with matrices, then releases their pages.
  func released<Result>(_ names: [WeightName], _ body: ([Weight]) throws -> Result) rethrows -> Result {
    defer {
      for stored in names.map({ self[$0] }) { stored.file.file.release(stored.bytes) }
    }
    return try body(names.map(weight))
  }
}
