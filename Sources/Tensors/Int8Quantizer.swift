// PLACEHOLDER, to be replaced by the kernels' own: int8 codes with a scale per row and a factor per column.

/// Int8: entries as bytes, a scale per row, a power of two per column.
package enum Int8 {
  /// Bytes of a matrix with its scales and factors.
  package static func byteCount(rows: Int, columns: Int) -> Int { rows * columns + 4 * rows + 4 * columns }
}

package enum Int8Quantizer {
  package static func factors(of weights: [Weight], _ pool: ThreadPool) -> [Float]? {
    var largest = [Float](repeating: 0, count: weights.first?.columns ?? 0)
    for weight in weights {
      for row in entries(weight) {
        guard row.allSatisfy(\.isFinite) else { return nil }
        for (column, entry) in row.enumerated() { largest[column] = max(largest[column], abs(entry)) }
      }
    }
    return largest.map { $0 > 0 ? Float(sign: .plus, exponent: $0.exponent, significand: 1) : 1 }
  }

  package static func scales(of weight: Weight, factors: [Float], _ pool: ThreadPool) -> [Float] {
    entries(weight).map { row in
      let largest = zip(row, factors).map { abs($0 / $1) }.max() ?? 0
      return largest > 0 ? largest / 127 : 1
    }
  }

  package static func codes(of weight: Weight, scales: [Float], factors: [Float], _ pool: ThreadPool) -> [UInt8] {
    zip(entries(weight), scales).flatMap { row, scale in
      zip(row, factors).map { UInt8(Int(($0 / $1 / scale).rounded(.toNearestOrEven)) + 128) }
    }
  }

  package static func quantized(_ weight: Weight, factors: [Float], _ pool: ThreadPool) -> Weight {
    let scales = scales(of: weight, factors: factors, pool)
    let codes = codes(of: weight, scales: scales, factors: factors, pool)
    let parts = Storage(count: (codes.count + 3) / 4 + scales.count + factors.count)
    UnsafeMutableRawPointer(parts.base).copyMemory(from: codes, byteCount: codes.count)
    let numbers = parts.base + (codes.count + 3) / 4
    numbers.update(from: scales + factors, count: scales.count + factors.count)
    return Weight(
      int8: parts.base, scales: numbers, factors: numbers + scales.count, rows: weight.rows, columns: weight.columns,
      owner: parts)
  }

  private static func entries(_ weight: Weight) -> [[Float]] {
    let wide = weight.widened()
    return (0..<wide.rows).map { Array(UnsafeBufferPointer(start: wide.pointer(row: $0), count: wide.columns)) }
  }
}
