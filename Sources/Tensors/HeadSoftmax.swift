// The running softmax over tiles of the vocabulary.

internal import CShoal

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Running maximum and sum of exponentials of each row of logits.
package final class HeadSoftmax: @unchecked Sendable {
  private let maximum: UnsafeMutableBufferPointer<Float>
  private let sum: UnsafeMutableBufferPointer<Double>

  /// - Parameter capacity: the most rows of one use.
  package init(capacity: Int) {
    maximum = .allocate(capacity: max(capacity, 1))
    sum = .allocate(capacity: max(capacity, 1))
  }

  deinit {
    maximum.deallocate()
    sum.deallocate()
  }

  /// Forgets all rows.
  package func reset() {
    maximum.update(repeating: -1e30)
    sum.update(repeating: 0)
  }

  /// Turns a tile of logits [rows, columns] into exp(logit − running maximum) and brings sum, maximum and, if
  /// given, `accumulated` [rows, D] (Σ exp · weight so far) up to date.
  package func add(_ logits: Matrix, accumulated: Matrix?, _ workers: Workers) {
    nonisolated(unsafe) let (maximum, sum) = (maximum, sum)
    workers.blocks(of: logits.rows, by: 8) { rows in
      let start = rows.lowerBound
      shoal_softmax_tile(
        logits.pointer(row: start), Int64(logits.stride), maximum.baseAddress! + start, sum.baseAddress! + start,
        accumulated?.pointer(row: start), Int64(accumulated?.stride ?? 0), Int64(rows.count), Int64(logits.columns),
        Int64(accumulated?.columns ?? 0))
    }
  }

  /// log Σ exp of a row's logits.
  package func logSum(row: Int) -> Double { Double(maximum[row]) + log(sum[row]) }

  /// Σ exp(logit − maximum) of a row.
  package func sum(row: Int) -> Double { sum[row] }
}
