// Quantises weights to int8: one scale for each output channel, and a power of two for each input channel.

internal import CShoal

/// Turns weights into int8 codes, scales and factors.
///
/// The factors bring input channels to a like size (as SmoothQuant does, Xiao et al., arXiv 2211.10438, here from the
/// weights alone): a channel whose weights are small, because its inputs are large, would otherwise lose its precision to
/// the others of its row. As powers of two they round nothing.
package enum Int8Quantizer {
  /// The factor of each input channel, for the weights that read one input: 2^k nearest to the channel's size over the
  /// median size. A channel's size is the root mean square of its entries, each over that of its row.
  /// - Returns: nil if an entry is not finite.
  /// - Precondition: the weights hold floats and have as many columns.
  package static func factors(of weights: [Weight], _ pool: ThreadPool) -> [Float]? {
    let width = weights.first?.columns ?? 0
    var squares = [Double](repeating: 0, count: width)
    for weight in weights {
      precondition(weight.columns == width, "\(weight.columns) and \(width) columns of one input")
      // Sums of fixed blocks of rows, added in order: the same with any number of threads.
      let blocks = (weight.rows + rowsOfBlock - 1) / rowsOfBlock
      var parts = [Double](repeating: 0, count: blocks * width)
      parts.withUnsafeMutableBufferPointer { parts in
        nonisolated(unsafe) let parts = parts
        forRows(of: weight, pool) { first, rows, entries, type, scratch in
          guard let start = parts.baseAddress else { return }
          kernels.int8_column_squares(
            start + first / rowsOfBlock * width, entries, type, Int64(rows), Int64(width), scratch)
        }
      }
      for block in 0..<blocks { for k in 0..<width { squares[k] += parts[block * width + k] } }
    }
    guard squares.allSatisfy(\.isFinite) else { return nil }
    let present = squares.filter { $0 > 0 }.sorted()
    guard !present.isEmpty else { return squares.map { _ in 1 } }
    let median = present[present.count / 2]
    return squares.map { square in
      guard square > 0 else { return 1 }
      // Of a ratio of squares between 2^(2 k − 1) and 2^(2 k + 1), the root is nearest to 2^k.
      let exponent = Int((square / median).exponent)
      return Float(sign: .plus, exponent: min(max((exponent + 1) >> 1, -30), 30), significand: 1)
    }
  }

  /// The scale of each row: its largest |entry / factor| over 127.
  /// - Precondition: as for `factors`, whose result is not nil.
  package static func scales(of weight: Weight, factors: [Float], _ pool: ThreadPool) -> [Float] {
    [Float](unsafeUninitializedCapacity: weight.rows) { scales, count in
      nonisolated(unsafe) let out = scales.baseAddress
      forRows(of: weight, pool) { first, rows, entries, type, scratch in
        guard let out else { return }
        kernels.int8_scales(out + first, entries, type, factors, Int64(rows), Int64(weight.columns), scratch)
      }
      count = weight.rows
    }
  }

  /// The codes, one byte each: the entry over factor and scale, to nearest, plus 128.
  /// - Precondition: as for `scales`.
  package static func codes(of weight: Weight, scales: [Float], factors: [Float], _ pool: ThreadPool) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: weight.rows * weight.columns) { codes, count in
      nonisolated(unsafe) let out = codes.baseAddress
      scales.withUnsafeBufferPointer { scales in
        nonisolated(unsafe) let scales = scales.baseAddress
        forRows(of: weight, pool) { first, rows, entries, type, scratch in
          guard let out, let scales else { return }
          kernels.int8_codes(
            out + first * weight.columns, entries, type, scales + first, factors, Int64(rows), Int64(weight.columns),
            scratch)
        }
      }
      count = weight.rows * weight.columns
    }
  }

  /// The matrix in int8, in its own memory.
  package static func quantized(_ weight: Weight, factors: [Float], _ pool: ThreadPool) -> Weight {
    let scales = scales(of: weight, factors: factors, pool)
    let parts = Parts(codes(of: weight, scales: scales, factors: factors, pool), scales + factors)
    return Weight(
      int8: parts.codes.base, scales: parts.numbers.base, factors: parts.numbers.base + weight.rows, rows: weight.rows,
      columns: weight.columns, owner: parts)
  }

  /// Rows that a thread takes at a time.
  private static let rowsOfBlock = 256

  private static func forRows(
    of weight: Weight, _ pool: ThreadPool,
    _ body:
      @Sendable (
        _ first: Int, _ rows: Int, _ entries: UnsafeRawPointer, _ type: Int32, _ scratch: UnsafeMutablePointer<Float>
      ) -> Void
  ) {
    precondition(weight.columns <= ThreadPool.scratchCount, "rows of \(weight.columns) exceed the scratch")
    let (base, type) = weight.floats
    let rowBytes = weight.byteCount / max(1, weight.rows)
    nonisolated(unsafe) let entries = base
    pool.run((weight.rows + rowsOfBlock - 1) / rowsOfBlock) { block, scratch in
      let first = block * rowsOfBlock
      body(first, min(rowsOfBlock, weight.rows - first), entries + first * rowBytes, type, scratch)
    }
  }

  /// Keeps the quantised parts in memory, so that pointers into them stay valid.
  private final class Parts {
    let codes, numbers: Storage

    init(_ codes: [UInt8], _ numbers: [Float]) {
      self.codes = Storage(count: (codes.count + 3) / 4)
      self.numbers = Storage(count: numbers.count)
      UnsafeMutableRawPointer(self.codes.base).copyMemory(from: codes, byteCount: codes.count)
      self.numbers.base.update(from: numbers, count: numbers.count)
    }
  }
}
