// Writes weights in the hub's layout: one file, or shards of a limited size with an index.

import Tensors

/// Splits and writes weights as the hub's own library does.
package enum ShardedExport {
  /// The hub's default: 5 GB.
  package static let defaultShardBytes = 5_000_000_000

  /// Indices of the tensors of each shard. A new shard starts when the next tensor would exceed the limit; a tensor
  /// larger than the limit gets its own shard.
  package static func shards(ofBytes sizes: [Int], limit: Int) -> [[Int]] {
    var shards: [[Int]] = []
    var current: [Int] = []
    var bytes = 0
    for (index, size) in sizes.enumerated() {
      if size > limit {
        shards.append([index])
        continue
      }
      if bytes + size > limit {
        shards.append(current)
        (current, bytes) = ([], 0)
      }
      current.append(index)
      bytes += size
    }
    if !current.isEmpty { shards.append(current) }
    return shards
  }

  /// Writes `model.safetensors`, or `model-00001-of-0000N.safetensors` … and `model.safetensors.index.json`.
  /// - Throws: `WriteError`, and errors of the tensors' closures.
  package static func write(
    _ tensors: [OutgoingTensor], shardBytes: Int = defaultShardBytes, to directory: AtomicDirectory
  ) throws {
    let shards = shards(ofBytes: tensors.map(\.byteCount), limit: shardBytes)
    guard shards.count > 1 else {
      try directory.file(HubWeights.singleName) { try SafetensorsWriter.write(tensors, to: $0) }
      return
    }
    var map: [JSONValue.Member] = []
    for (number, indices) in shards.enumerated() {
      let name = "model-\(fiveDigits(number + 1))-of-\(fiveDigits(shards.count)).safetensors"
      let part = indices.map { tensors[$0] }
      try directory.file(name) { try SafetensorsWriter.write(part, to: $0) }
      map += part.map { JSONValue.Member($0.name, .string(name)) }
    }
    let totalBytes = tensors.reduce(0) { $0 + $1.byteCount }
    let index: JSONValue = [
      "metadata": ["total_size": .integer(Int64(totalBytes))], "weight_map": .object(map),
    ]
    try directory.file(
      HubWeights.indexName, text: index.serialized(indent: 2, sortedKeys: true) + "\n")
  }

  private static func fiveDigits(_ number: Int) -> String {
    String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number)
  }
}
