import Foundation
import Tensors
import TestSupport
import Testing

/// Dropout's mask is a function of the key, the row's counters and the column.
@Suite struct DropoutTests {
  static func rows(_ count: Int, probability: Float, key: UInt64 = 7) -> Kernels.DropoutRows {
    Kernels.DropoutRows(
      probability: probability, key: key,
      counters: (0..<count).flatMap { [UInt64($0 % 3) << 32 | 5, UInt64($0)] })
  }

  static func ones(_ rows: Int, _ columns: Int) -> Matrix {
    let x = randomMatrix(rows, columns, seed: 1)
    for row in 0..<rows { for column in 0..<columns { x[row, column] = 1 } }
    return x
  }

  @Test func `Philox's published numbers`() {
    // Random123's known answers (kat_vectors, philox 4x32 10).
    #expect(CounterRandom(key: 0).block(0, 0) == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    #expect(CounterRandom(key: .max).block(.max, .max) == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      CounterRandom(key: 0x299f_31d0_a409_3822).block(0x0370_7344_1319_8a2e, 0x85a3_08d3_243f_6a88)
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  /// Column j of a row uses word (j / 64) % 4 of the block for j's place in its 256 columns and the row's counters.
  @Test(arguments: [1, 63, 64, 65, 256, 257, 1000])
  func `the mask is CounterRandom's`(columns: Int) {
    let x = randomMatrix(5, columns, seed: 2)
    let y = randomMatrix(5, columns, seed: 3)
    let rows = Self.rows(5, probability: 0.3)
    Kernels.dropout(y, x, rows, adding: false, ThreadPool(threads: 2))
    let random = CounterRandom(key: rows.key)
    let threshold = UInt32(Double(Float(0.3)) * 0x1p32)
    for row in 0..<5 {
      for column in 0..<columns {
        let (batch, place) = column.quotientAndRemainder(dividingBy: 256)
        let block = random.block(
          rows.counters[2 * row], rows.counters[2 * row + 1] << 16 + UInt64(64 * batch + place % 64))
        let kept = block[place / 64] >= threshold
        #expect(y[row, column] == (kept ? x[row, column] * (1 / (1 - Float(0.3))) : 0), "row \(row), column \(column)")
      }
    }
  }

  @Test(arguments: [Float(0.05), 0.5, 0.9])
  func `the rate`(probability: Float) {
    let x = Self.ones(100, 1000)
    let y = Matrix(rows: 100, columns: 1000)
    Kernels.dropout(y, x, Self.rows(100, probability: probability), adding: false, ThreadPool(threads: 2))
    let dropped = y.elements.count { $0 == 0 }
    // Five standard deviations of a binomial of 100000.
    let expected = Double(probability) * 1e5
    #expect(abs(Double(dropped) - expected) < 5 * (expected * (1 - Double(probability))).squareRoot())
    #expect(y.elements.allSatisfy { $0 == 0 || $0 == 1 / (1 - probability) })
    // Neighbouring rows agree as often as independent rows would.
    let agreeing = (0..<1000).count { (y[0, $0] == 0) == (y[1, $0] == 0) }
    let chance = Double(probability * probability + (1 - probability) * (1 - probability))
    #expect(abs(Double(agreeing) - 1000 * chance) < 5 * (1000 * chance * (1 - chance)).squareRoot())
  }

  @Test func `probability 0 keeps everything`() {
    let x = randomMatrix(4, 300, seed: 4)
    let y = Matrix(rows: 4, columns: 300)
    Kernels.dropout(y, x, Self.rows(4, probability: 0), adding: false, ThreadPool(threads: 1))
    #expect(bits(y) == bits(x))
  }

  @Test func `forward and backward masks are equal, wherever a row lies`() {
    let rows = Self.rows(90, probability: 0.4)
    let x = Self.ones(90, 500)
    let y = Matrix(rows: 90, columns: 500)
    Kernels.dropout(y, x, rows, adding: false, ThreadPool(threads: 1))
    let sum = copy(x)
    Kernels.dropout(sum, x, rows, adding: true, ThreadPool(threads: 3))
    #expect(zip(sum.elements, y.elements).allSatisfy { $0 == 1 + $1 })
    // A few rows in another order.
    let picked = [88, 0, 41]
    var other = rows
    other.counters = picked.flatMap { Array(rows.counters[2 * $0..<2 * $0 + 2]) }
    let z = Matrix(rows: 3, columns: 500)
    Kernels.dropout(z, Self.ones(3, 500), other, adding: false, ThreadPool(threads: 2))
    for (i, row) in picked.enumerated() { #expect(bits(z.rows(i..<i + 1)) == bits(y.rows(row..<row + 1))) }
    // A narrower input of the same row has the same mask.
    let narrow = Matrix(rows: 90, columns: 130)
    Kernels.dropout(narrow, Self.ones(90, 130), rows, adding: false, ThreadPool(threads: 2))
    #expect(bits(narrow) == bits(y.columns(0..<130)))
    var otherKey = rows
    otherKey.key += 1
    Kernels.dropout(sum, x, otherKey, adding: false, ThreadPool(threads: 2))
    #expect(bits(sum) != bits(y))
  }
}
