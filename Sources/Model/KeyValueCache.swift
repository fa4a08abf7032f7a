// Keys and values of all tokens so far. Every later token attends to them.

import Tensors

/// Rotated keys and values of each layer [capacity, K E], in fp32. Memory becomes resident as it is filled.
final class KeyValueCache {
  let capacity: Int
  private let keys, values: [Matrix]
  /// The number of tokens in the cache.
  private(set) var count = 0

  init(_ c: ModelConfiguration, capacity: Int) {
    self.capacity = capacity
    keys = (0..<c.layerCount).map { _ in Matrix(rows: capacity, columns: c.keyValueWidth) }
    values = (0..<c.layerCount).map { _ in Matrix(rows: capacity, columns: c.keyValueWidth) }
  }

  static func byteCount(_ c: ModelConfiguration, capacity: Int) -> Int {
    2 * c.layerCount * capacity * c.keyValueWidth * 4
  }

  /// The place for a layer's keys and values of the next `rows` tokens.
  /// - Precondition: they fit.
  func next(_ rows: Int, layer: Int) -> (k: Matrix, v: Matrix) {
    precondition(count + rows <= capacity, "\(count) and \(rows) tokens in a cache of \(capacity)")
    return (keys[layer].rows(count..<count + rows), values[layer].rows(count..<count + rows))
  }

  /// A layer's keys and values of all tokens, including the next `rows` tokens.
  func through(_ rows: Int, layer: Int) -> (k: Matrix, v: Matrix) {
    (keys[layer].prefix(count + rows), values[layer].prefix(count + rows))
  }

  /// Counts `rows` more tokens, after all layers have stored their keys and values.
  func append(_ rows: Int) { count += rows }

  /// Removes all tokens.
  func reset() { count = 0 }
}
