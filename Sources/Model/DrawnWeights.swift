// Weights of a model that starts from nothing: drawn from a seed, kept in a file of the cache that every rank maps.

package import Checkpoints
import Glibc
import Tensors

/// The weights of a fresh model, by transformers' law (`PreTrainedModel._init_weights` of 5.24): matrices are normal with
/// standard deviation `initializer_range`, the embedding's row of the padding token is zero, norms are 1, biases 0.
///
/// Each number depends on the seed, its weight and its place alone.
package struct DrawnWeights {
  /// Change this whenever the numbers change.
  private static let format = "drawn-1"
  /// The draws' part of the seed's streams; its low half numbers the weights.
  private static let stream: UInt64 = 0x494E_4954 << 32

  private let path: String
  private let configuration: ModelConfiguration
  private let deviation: Double
  /// The row of the embedding that is zero.
  private let paddingRow: Int?
  private let seed: UInt64

  /// - Parameter path: a directory with config.json.
  /// - Throws: `FileError`; `ContentError` when the law's numbers in config.json are wrong.
  init(_ path: String, _ configuration: ModelConfiguration, seed: UInt64) throws {
    (self.path, self.configuration, self.seed) = (path, configuration, seed)
    let file = "\(path)/config.json"
    let json = try JSONValue.read(file: file, limit: 1 << 20)
    var deviation = 0.02
    if let value = json["initializer_range"], !value.isNull {
      guard let number = value.double, number.isFinite, 0...1 ~= number else {
        throw ContentError(file, "initializer_range", "is \(value.serialized())", expected: "a number from 0 to 1")
      }
      // As in transformers, 0 is the default.
      if number > 0 { deviation = number }
    }
    self.deviation = deviation
    let padding = json["pad_token_id"]?.int
    paddingRow = padding.flatMap { 0..<configuration.vocabularySize ~= $0 ? $0 : nil }
  }

  /// The weights from the cache, in fp32. One process of a node draws them, the others sleep until it is done.
  /// - Throws: `ContentError` when there is no cache directory that can be written; `WriteError`.
  func weights(cacheDirectory: String?, threads: Int) throws -> HubWeights {
    guard let cacheDirectory else {
      throw ContentError(
        path, "has no weights, and none can be drawn: neither SHOAL_CACHE nor HOME says where to keep them",
        expected: "a cache directory")
    }
    let folder = "\(cacheDirectory)/drawn"
    let configurationHash = try ContentHash(cacheDirectory: nil).sha256(ofFile: "\(path)/config.json")
    let key = ContentHash.sha256(of: Array("\(Self.format) \(configurationHash) \(seed)".utf8))
    let file = "\(folder)/\(key).safetensors"
    if let found = Self.opened(file, key: key, configuration) { return found }
    try CacheDirectory.create(folder)
    return try FileLock.hold("\(folder)/\(key).lock") {
      if let found = Self.opened(file, key: key, configuration) { return found }
      try ChecksummedTensors.write(tensors(ThreadPool(threads: threads)), key: key, to: file)
      guard let found = Self.opened(file, key: key, configuration) else {
        throw ContentError(file, "does not hold what was just written to it")
      }
      return found
    }
  }

  /// The weights in `file`, if it is undamaged and fits the configuration.
  package static func opened(_ file: String, key: String, _ configuration: ModelConfiguration) -> HubWeights? {
    guard let found = ChecksummedTensors.file(file, key: key) else { return nil }
    let isWhole = WeightName.all(configuration).allSatisfy {
      guard let entry = found.tensors[$0.hubName] else { return false }
      return entry.type == .float32 && entry.shape == $0.shape(configuration)
        && entry.range.lowerBound.isMultiple(of: entry.type.bytes)
    }
    return isWhole ? HubWeights(file: found) : nil
  }

  private func tensors(_ pool: ThreadPool) -> [OutgoingTensor] {
    WeightName.all(configuration).enumerated().map { number, name in
      let shape = name.shape(configuration)
      return OutgoingTensor(name: name.hubName, type: .float32, shape: shape) { emit in
        let columns = shape[shape.count - 1]
        let rows = shape.count == 2 ? shape[0] : 1
        // A few rows at a time, so that no whole embedding is in memory.
        let block = max(1, (1 << 22) / columns)
        let buffer = Storage(count: min(rows, block) * columns)
        for start in stride(from: 0, to: rows, by: block) {
          let own = start..<min(start + block, rows)
          fill(buffer, own, columns, of: name, stream: Self.stream | UInt64(number), pool)
          try emit(
            UnsafeRawBufferPointer(UnsafeBufferPointer(start: buffer.base, count: own.count * columns)))
        }
      }
    }
  }

  /// Fills a buffer with rows of a weight.
  private func fill(
    _ buffer: Storage, _ rows: Range<Int>, _ columns: Int, of name: WeightName, stream: UInt64, _ pool: ThreadPool
  ) {
    guard name.isMatrix else {
      if case .bias = name {
        buffer.base.update(repeating: 0, count: columns)
      } else {
        buffer.base.update(repeating: 1, count: columns)
      }
      return
    }
    let (random, deviation) = (CounterRandom(key: seed), deviation)
    let paddingRow = name == .embedding ? paddingRow : nil
    nonisolated(unsafe) let base = buffer.base
    pool.blocks(of: rows.count, by: max(1, (1 << 14) / columns)) { part in
      for row in part {
        let numbers = base + row * columns
        guard rows.lowerBound + row != paddingRow else {
          numbers.update(repeating: 0, count: columns)
          continue
        }
        let first = UInt64((rows.lowerBound + row) * columns)
        for column in 0..<columns {
          numbers[column] = Float(deviation * random.normal(stream: stream, index: first + UInt64(column)))
        }
      }
    }
  }
}

extension ModelDirectory {
  /// Opens a directory with configuration and tokenizer, and draws the weights that it has not.
  /// - Parameters:
  ///   - cacheDirectory: Shoal's cache; only tests pass a value other than `CacheDirectory.path`.
  /// - Throws: `FileError`; `ContentError` when the directory has weights; `WriteError`.
  package convenience init(
    drawing path: String, seed: UInt64, cacheDirectory: String? = CacheDirectory.path, threads: Int
  ) throws {
    let configuration = try ModelConfiguration(directory: path)
    for name in [HubWeights.singleName, HubWeights.indexName] where EntryKind("\(path)/\(name)") != nil {
      throw ContentError(
        path, "has weights (\(name)), and `random_init: true` would draw others",
        expected: "a directory with config.json and the tokenizer's files alone, or no `random_init`")
    }
    let drawn = try DrawnWeights(path, configuration, seed: seed)
    self.init(path, configuration, try drawn.weights(cacheDirectory: cacheDirectory, threads: threads))
  }
}
