// A model's linear layers in NF4: quantised once, cached under the hash of their content, mapped by every rank.

package import Checkpoints
import Glibc
package import Tensors

/// The matrices of a model's linear layers in NF4, in a mapped file of the cache.
///
/// As in QLoRA, embedding, norms, biases and head are not quantised and not in the file.
package final class NF4File: Sendable {
  /// Change this whenever the file's content changes.
  private static let format = "nf4-1"

  private let file: SafetensorsFile
  private let configuration: ModelConfiguration

  /// The number of layers quantised so far, and their total.
  package typealias Progress = (_ done: Int, _ of: Int) -> Void

  /// Opens the model's file in the cache. A missing or damaged file is made first. If several processes need it at the
  /// same time, one makes it and the others sleep until it is ready.
  /// - Parameters:
  ///   - modelHash: `directory.contentHash()`.
  ///   - cacheDirectory: Shoal's cache, `CacheDirectory.path` except in tests.
  ///   - progress: called by the process that quantises.
  /// - Throws: `ContentError` when a width is not a multiple of 64, an entry is not finite, or there is no cache
  ///   directory that can be written; `WriteError`.
  package init(
    of directory: ModelDirectory, modelHash: String, cacheDirectory: String? = CacheDirectory.path, threads: Int,
    progress: @escaping Progress = { _, _ in }
  ) throws {
    configuration = directory.configuration
    try Self.requireWholeBlocks(directory)
    guard let cacheDirectory else {
      throw ContentError(
        directory.path, "cannot be quantised: neither SHOAL_CACHE nor HOME says where", expected: "a cache directory")
    }
    let folder = "\(cacheDirectory)/nf4"
    let key = Self.contentHash(modelHash: modelHash)
    let path = "\(folder)/\(key).safetensors"
    if let file = Self.opened(path, key: key, configuration) {
      self.file = file
      return
    }
    do throws(WriteError) {
      try CacheDirectory.create(folder)
      guard access(folder, W_OK) == 0 else { throw WriteError(path: folder, action: "write to", code: errno) }
    } catch {
      guard !error.isShortage else { throw error }
      throw ContentError(
        directory.path, "cannot be quantised: there is no place for its NF4 form (\(error))",
        expected: "a directory that can be written in SHOAL_CACHE, which is ~/.cache/shoal when it is not set")
    }
    file = try FileLock.hold("\(folder)/\(key).lock") {
      if let file = Self.opened(path, key: key, directory.configuration) { return file }
      try Self.write(directory, to: path, key: key, ThreadPool(threads: threads), progress)
      guard let file = Self.opened(path, key: key, directory.configuration) else {
        throw ContentError(path, "does not hold what was just written to it")
      }
      return file
    }
  }

  /// The matrix of a linear layer.
  /// - Precondition: the model has the layer.
  package func weight(_ module: LinearModule, layer: Int) -> Weight {
    let bytes = Part.allCases.map { part in
      guard let entry = file.tensors[part.name(module, layer)], let base = file.bytes(of: entry).baseAddress else {
        preconditionFailure("\(part.name(module, layer)) is not in \(file.path)")
      }
      return base
    }
    return Weight(
      nf4: bytes[0], scaleCodes: bytes[1].assumingMemoryBound(to: UInt8.self),
      scaleMaxima: bytes[2].assumingMemoryBound(to: Float.self), offset: bytes[3].loadUnaligned(as: Float.self),
      rows: module.outputWidth(configuration), columns: module.inputWidth(configuration), owner: file)
  }

  /// The hash of the NF4 form of a model with the hash `modelHash`. It differs because NF4 changes the results.
  package static func contentHash(modelHash: String) -> String {
    ContentHash.sha256(of: Array("\(modelHash) \(format)".utf8))
  }

  /// - Throws: `ContentError` that names every module whose rows are not whole blocks.
  static func requireWholeBlocks(_ directory: ModelDirectory) throws(ContentError) {
    let problems = LinearModule.allCases.compactMap { module -> ContentError.Problem? in
      let width = module.inputWidth(directory.configuration)
      guard !width.isMultiple(of: NF4.block) else { return nil }
      return .init(
        module.rawValue, "has \(width) inputs", expected: "a multiple of \(NF4.block), or a base that is not in NF4")
    }
    guard problems.isEmpty else { throw ContentError(directory.path, problems) }
  }

  /// Quantises the matrix of a linear layer to NF4, in memory.
  /// - Throws: `ContentError` when an entry is not finite.
  static func quantized(_ weight: Weight, named name: String, in path: String, _ pool: ThreadPool) throws -> Weight {
    guard let quantized = NF4Quantizer.quantized(weight, pool) else { throw notFinite(name, path) }
    return quantized
  }

  private static func notFinite(_ name: String, _ path: String) -> ContentError {
    ContentError(path, name, "holds an entry that is not finite", expected: "finite numbers: NF4 has no other")
  }

  // MARK: The file

  /// The tensors of one matrix. Their names are the weight's own name with bitsandbytes' suffixes.
  private enum Part: String, CaseIterable {
    case codes = ""
    case scaleCodes = ".absmax"
    case scaleMaxima = ".nested_absmax"
    case offset = ".nested_offset"

    var type: ElementType {
      switch self {
      case .codes, .scaleCodes: .uint8
      case .scaleMaxima, .offset: .float32
      }
    }

    func name(_ module: LinearModule, _ layer: Int) -> String {
      WeightName.linear(module, layer: layer).hubName + rawValue
    }

    func shape(_ module: LinearModule, _ configuration: ModelConfiguration) -> [Int] {
      let (rows, columns) = (module.outputWidth(configuration), module.inputWidth(configuration))
      return switch self {
      case .codes: [rows, columns / 2]
      case .scaleCodes: [rows, columns / NF4.block]
      case .scaleMaxima: [NF4.scaleMaximaCount(blocks: rows * columns / NF4.block)]
      case .offset: [1]
      }
    }
  }

  /// The file at `path`, if it is undamaged and fits the configuration.
  package static func opened(_ path: String, key: String, _ configuration: ModelConfiguration) -> SafetensorsFile? {
    guard let file = ChecksummedTensors.file(path, key: key) else { return nil }
    for layer in 0..<configuration.layerCount {
      for module in LinearModule.allCases {
        for part in Part.allCases {
          guard let entry = file.tensors[part.name(module, layer)], entry.type == part.type,
            entry.shape == part.shape(module, configuration)
          else { return nil }
        }
      }
    }
    return file
  }

  /// Quantises matrix by matrix: first all scales, which are small and come first in the file, then the codes.
  private static func write(
    _ directory: ModelDirectory, to path: String, key: String, _ pool: ThreadPool, _ progress: @escaping Progress
  ) throws {
    let configuration = directory.configuration
    var tensors: [OutgoingTensor] = []
    for layer in 0..<configuration.layerCount {
      for module in LinearModule.allCases {
        let name = WeightName.linear(module, layer: layer)
        let scales = try directory.released(name) { weight in
          guard let maxima = NF4Quantizer.blockMaxima(of: weight, pool) else {
            throw notFinite(name.hubName, directory.path)
          }
          return NF4Quantizer.scales(of: maxima, offset: NF4Quantizer.offset(of: maxima), pool)
        }
        tensors += Part.allCases.map { part in
          OutgoingTensor(
            name: part.name(module, layer), type: part.type, shape: part.shape(module, configuration)
          ) { emit in
            switch part {
            case .codes:
              let codes = directory.released(name) { NF4Quantizer.codes(of: $0, pool) }
              try codes.withUnsafeBytes(emit)
              if module == LinearModule.allCases.last { progress(layer + 1, configuration.layerCount) }
            case .scaleCodes: try scales.codes.withUnsafeBytes(emit)
            case .scaleMaxima: try scales.maxima.withUnsafeBytes(emit)
            case .offset: try withUnsafeBytes(of: scales.offset, emit)
            }
          }
        }
      }
    }
    try ChecksummedTensors.write(tensors, key: key, to: path)
  }
}

extension ModelDirectory {
  /// Calls `body` with a matrix, then releases the matrix's pages.
  fileprivate func released<Result>(_ name: WeightName, _ body: (Weight) throws -> Result) rethrows -> Result {
    let stored = self[name]
    defer { stored.file.file.release(stored.bytes) }
    return try body(weight(name))
  }
}
