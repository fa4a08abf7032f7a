// Keys and values of tokens. Later tokens of their sequences attend to them.

import Tensors

/// Rotated keys and values of each layer [rows, K E], in fp32. Sequences share its rows in any order (`KeyRuns`). Memory
/// becomes resident as it is filled.
struct KeyValueCache {
  let keys, values: [Matrix]

  init(_ c: ModelConfiguration, rows: Int) {
    keys = (0..<c.layerCount).map { _ in Matrix(rows: rows, columns: c.keyValueWidth) }
    values = (0..<c.layerCount).map { _ in Matrix(rows: rows, columns: c.keyValueWidth) }
  }

  static func byteCount(_ c: ModelConfiguration, rows: Int) -> Int {
    2 * c.layerCount * rows * c.keyValueWidth * 4
  }

  /// Stores a layer's keys and values k, v [places.count, K E] in the given rows.
  func store(_ k: Matrix, _ v: Matrix, layer: Int, at places: Range<Int>) {
    precondition(k.rows == places.count && v.rows == places.count, "\(k.rows) keys for \(places.count) places")
    for (to, from) in [(keys[layer], k), (values[layer], v)] {
      let target = to.rows(places)
      precondition(from.stride == from.columns && target.columns == from.columns, "keys of another width")
      target.base.update(from: from.base, count: from.rows * from.columns)
    }
  }
}
