// Seeded test inputs, laid out so that confusing a stride with a width is detected.

package import Tensors

/// A matrix of numbers uniform in ±`bound`, as columns of a wider matrix that has NaN elsewhere.
package func randomMatrix(_ rows: Int, _ columns: Int, seed: UInt64, bound: Double = 1, margin: Int = 3)
  -> Matrix
{
  let wide = Matrix(rows: rows, columns: columns + margin)
  for i in 0..<rows * (columns + margin) { wide.base[i] = .nan }
  let matrix = wide.columns(margin / 2..<margin / 2 + columns)
  let random = CounterRandom(key: seed)
  for row in 0..<rows {
    for column in 0..<columns {
      let number = random.uniform(stream: UInt64(row), index: UInt64(column))
      matrix[row, column] = Float((2 * number - 1) * bound)
    }
  }
  return matrix
}

/// The entries' bits, for results that must be equal in every bit.
package func bits(_ matrix: Matrix) -> [UInt32] { matrix.elements.map(\.bitPattern) }

/// A copy in its own memory.
package func copy(_ matrix: Matrix) -> Matrix {
  let copy = Matrix(rows: matrix.rows, columns: matrix.columns)
  for row in 0..<matrix.rows {
    for column in 0..<matrix.columns { copy[row, column] = matrix[row, column] }
  }
  return copy
}
