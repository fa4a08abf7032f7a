// Keys and values of the tokens so far, which every later token attends.

import Tensors

/// Rotated keys and values of each layer [capacity, K E], in fp32. Memory becomes resident as it is filled.
final class KeyValueCache {
  let capacity: Int
  private let keys, values: [Matrix]
  /// Tokens in the cache.
  private(set) var count = 0

  init(_ c: ModelConfiguration, capacity: Int) {
    self.capacity = capacity
    keys = (0..<c.layerCount).map { _ in Matrix(rows: capacity, columns: c.keyValueWidth) }
    values = (0..<c.layerCount).map { _ in Matrix(rows: capacity, columns: c.keyValueWidth) }
  }

  static func byteCount(_ c: ModelConfiguration, capacity: Int) -> Int {
    2 * c.layerCount * capacity * c.keyValueWidth * 4
  }

  /// Where a layer's keys and values of `rows` further tokens go.
  /// - Precondition: they fit.
  func next(_ rows: Int, layer: Int) -> (k: Matrix, v: Matrix) {
    precondition(count + rows <= capacity, "\(count) and \(rows) tokens in a cache of \(capacity)")
    return (keys[layer].rows(count..<count + rows), values[layer].rows(count..<count + rows))
  }

  /// A layer's keys and values of all tokens, `rows` further ones included.
  func through(_ rows: Int, layer: Int) -> (k: Matrix, v: Matrix) {
    (keys[layer].prefix(count + rows), values[layer].prefix(count + rows))
  }

  /// Counts tokens whose keys and values all layers have got.
  func append(_ rows: Int) { count += rows }

  /// Forgets all tokens.
  func reset() { count = 0 }
}
