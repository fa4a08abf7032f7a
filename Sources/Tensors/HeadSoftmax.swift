// The running softmax over tiles of the vocabulary.

internal import CShoal

/// Running maximum, its column, and sum of exponentials of each row of logits.
package final class HeadSoftmax: @unchecked Sendable {
  private let maximum: UnsafeMutableBufferPointer<Float>
  private let sum: UnsafeMutableBufferPointer<Double>
  private let best: UnsafeMutableBufferPointer<Int32>

  /// - Parameter capacity: the largest number of rows per use.
  package init(capacity: Int) {
    maximum = .allocate(capacity: max(capacity, 1))
    sum = .allocate(capacity: max(capacity, 1))
    best = .allocate(capacity: max(capacity, 1))
  }

  deinit {
    maximum.deallocate()
    sum.deallocate()
    best.deallocate()
  }

  /// Resets all rows.
  package func reset() {
    maximum.update(repeating: -1e30)
    sum.update(repeating: 0)
    best.update(repeating: 0)
  }

  /// Turns a tile of logits [rows, columns] into exp(logit − running maximum). Updates the sum, the maximum and, if
  /// given, `accumulated` [rows, D] (Σ exp · weight so far). The tile starts at `firstColumn` of the vocabulary.
  package func add(_ logits: Matrix, firstColumn: Int, accumulated: Matrix?, _ pool: ThreadPool) {
    precondition(
      logits.rows <= maximum.count && accumulated?.rows ?? logits.rows >= logits.rows,
      "\(logits.rows) rows of logits for \(maximum.count)")
    nonisolated(unsafe) let (maximum, sum, best) = (maximum, sum, best)
    pool.clock.enter(.head)
    pool.blocks(of: logits.rows, by: 8) { rows in
      let start = rows.lowerBound
      kernels.softmax_tile(
        logits.pointer(row: start), Int64(logits.stride), maximum.baseAddress! + start, sum.baseAddress! + start,
        best.baseAddress! + start, Int64(firstColumn), accumulated?.pointer(row: start),
        Int64(accumulated?.stride ?? 0), Int64(rows.count), Int64(logits.columns),
        Int64(accumulated?.columns ?? 0))
    }
  }

  /// The same for rows from `firstRow` on, without changing the logits.
  package func measure(_ logits: Matrix, firstRow: Int, _ pool: ThreadPool) {
    precondition(
      firstRow + logits.rows <= maximum.count && logits.columns <= ThreadPool.scratchCount,
      "\(firstRow) + \(logits.rows) rows of logits for \(maximum.count)")
    nonisolated(unsafe) let (maximum, sum, best) = (maximum, sum, best)
    pool.clock.enter(.head)
    pool.run(logits.rows) { row, copy in
      copy.update(from: logits.pointer(row: row), count: logits.columns)
      let place = firstRow + row
      kernels.softmax_tile(
        copy, 0, maximum.baseAddress! + place, sum.baseAddress! + place, best.baseAddress! + place, 0, nil, 0, 1,
        Int64(logits.columns), 0)
    }
  }

  /// The first column of a row's largest logit.
  package func best(row: Int) -> Int32 { best[row] }

  /// log Σ exp of a row's logits.
  package func logSum(row: Int) -> Double { Double(maximum[row]) + Double.log(sum[row]) }

  /// The gradient of Σ coefficient · log-prob with respect to the rows that the logits come from:
  /// dx[row] = Σ coefficient · targetRows − (Σ coefficient) · expected[row] / sum[row] over the row's targets.
  ///
  /// - Parameters:
  ///   - expected: `accumulated` after the last tile [rows, D].
  ///   - targetRows: the weights' rows of the target tokens [targets, D].
  ///   - targets: each target's row and coefficient.
  package func gradient(
    _ dx: Matrix, expected: Matrix, targetRows: Matrix, targets: [(row: Int, coefficient: Float)], _ pool: ThreadPool
  ) {
    precondition(
      dx.rows <= sum.count && expected.rows >= dx.rows && targetRows.rows == targets.count
        && expected.columns == dx.columns && targetRows.columns == dx.columns, "head gradient shapes differ")
    var ofRow = [[Int]](repeating: [], count: dx.rows)
    for (i, target) in targets.enumerated() { ofRow[target.row].append(i) }
    let total = ofRow.map { $0.reduce(Float(0)) { $0 + targets[$1].coefficient } }
    nonisolated(unsafe) let sum = sum
    let (lists, width) = (ofRow, Int64(dx.columns))
    pool.clock.enter(.head)
    pool.blocks(of: dx.rows, by: 8) { rows in
      for row in rows {
        let out = dx.pointer(row: row)
        kernels.combine(out, 0, expected.pointer(row: row), 0, 0, -total[row] / Float(sum[row]), 1, width)
        for i in lists[row] {
          kernels.combine(out, 0, targetRows.pointer(row: i), 0, 1, targets[i].coefficient, 1, width)
        }
      }
    }
  }

  /// Turns a tile of logits of rows from `firstRow` on, after the last tile, into the gradient of Σ coefficient ·
  /// log-prob by them.
  /// - Parameters:
  ///   - targets: each target's row and coefficient, over the whole vocabulary.
  ///   - inTile: the targets in this tile, with their columns.
  package func logitGradient(
    _ logits: Matrix, firstRow: Int, targets: [(row: Int, coefficient: Float)],
    inTile: [(row: Int, column: Int, coefficient: Float)], _ pool: ThreadPool
  ) {
    precondition(
      firstRow + logits.rows <= maximum.count, "\(firstRow) + \(logits.rows) rows of logits for \(maximum.count)")
    var total = [Float](repeating: 0, count: logits.rows)
    for target in targets { total[target.row - firstRow] += target.coefficient }
    let scales = total.indices.map { -total[$0] / Float(sum[firstRow + $0]) }
    nonisolated(unsafe) let maximum = maximum
    pool.clock.enter(.head)
    pool.blocks(of: logits.rows, by: 8) { rows in
      for row in rows {
        kernels.softmax_gradient(logits.pointer(row: row), maximum[firstRow + row], scales[row], Int64(logits.columns))
      }
    }
    for target in inTile { logits[target.row - firstRow, target.column] += target.coefficient }
  }
}
