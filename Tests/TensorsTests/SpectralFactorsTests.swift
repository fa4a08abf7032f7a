import Foundation
import Tensors
import TestSupport
import Testing

/// Leading singular vectors and QR factors, against torch's and by what makes them what they are.
@Suite struct SpectralFactorsTests {
  /// `Tests/Fixtures/spectral.json`, written by `spectral.py`.
  struct Fixture: Decodable {
    struct Case: Decodable {
      var rows, columns: Int
      var singular, q, r: [Double]
    }

    var rank: Int
    var cases: [Case]

    static func read() throws -> Fixture {
      try JSONDecoder().decode(
        Self.self, from: Data(contentsOf: URL(fileURLWithPath: Repository.fixture("spectral.json"))))
    }
  }

  /// The formula of the script.
  static func weight(_ rows: Int, _ columns: Int) -> Matrix {
    let w = Matrix(rows: rows, columns: columns)
    for i in 0..<rows {
      for j in 0..<columns {
        w[i, j] = Float(Double((i * 7919 + j * 104729 + i * j * 31 + i * i * j * 17) % 2003) / 2003 - 0.5)
      }
    }
    return w
  }

  /// ‖W − Σ left rightᵀ‖.
  static func left(_ factors: SpectralFactors, of w: Matrix, rank: Int) -> Double {
    var sum = 0.0
    for i in 0..<w.rows {
      for j in 0..<w.columns {
        let product = (0..<rank).reduce(0.0) {
          $0 + factors.left[$1 * w.rows + i] * factors.right[$1 * w.columns + j]
        }
        sum += (Double(w[i, j]) - product) * (Double(w[i, j]) - product)
      }
    }
    return sum.squareRoot()
  }

  private static func norm(_ x: ArraySlice<Double>) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  @Test func `singular vectors are orthogonal, of the right length, and leave the least`() throws {
    let fixture = try Fixture.read()
    for item in fixture.cases {
      let w = Self.weight(item.rows, item.columns)
      let count = min(fixture.rank, item.singular.count)
      let factors = SpectralFactors(singularVectorsOf: w, rank: fixture.rank)
      for (vectors, length) in [(factors.left, item.rows), (factors.right, item.columns)] {
        #expect(vectors.count == fixture.rank * length)
        for i in 0..<fixture.rank {
          let own = vectors[i * length..<(i + 1) * length]
          // √S of each; what W's rank does not reach is zero.
          let expected = i < count ? item.singular[i] : 0
          #expect(abs(Self.norm(own) * Self.norm(own) - expected) < 1e-12 * item.singular[0], "\(item.rows), \(i)")
          for j in 0..<i {
            let product = zip(own, vectors[j * length..<(j + 1) * length]).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(product) < 1e-12 * item.singular[0], "\(item.rows): \(i), \(j)")
          }
        }
      }
      for i in 0..<count {
        let own = factors.right[i * item.columns..<(i + 1) * item.columns]
        #expect(own.max { abs($0) < abs($1) }.map { $0 > 0 } == true)
      }
      let least = Self.norm(item.singular[count...])
      #expect(abs(Self.left(factors, of: w, rank: fixture.rank) - least) < 1e-12 * item.singular[0])
    }
  }

  @Test func `QR factors are LAPACK's`() throws {
    let fixture = try Fixture.read()
    for item in fixture.cases {
      let factors = SpectralFactors(orthogonalFactorsOf: Self.weight(item.rows, item.columns), rank: fixture.rank)
      for (found, expected) in [(factors.left, item.q), (factors.right, item.r)] {
        for place in found.indices {
          // Beyond W's rank there is nothing.
          let number = place < expected.count ? expected[place] : 0
          #expect(abs(found[place] - number) < 1e-12, "\(item.rows), \(place)")
        }
      }
    }
  }

  @Test func `a search comes close, and closer with more iterations`() throws {
    for item in try Fixture.read().cases {
      let w = Self.weight(item.rows, item.columns)
      let rank = min(4, item.singular.count)
      func excess(_ iterations: Int, seed: UInt64 = 1) -> Double {
        let search = SpectralFactors.Search(iterations: iterations, random: CounterRandom(key: seed), stream: 3)
        let factors = SpectralFactors(singularVectorsOf: w, rank: rank, search: search)
        let least = Self.norm(item.singular[rank...])
        return (Self.left(factors, of: w, rank: rank) - least) / item.singular[0]
      }
      #expect(excess(0) > -1e-12 && excess(0) < 0.5)
      #expect(excess(300) < 1e-3, "\(item.rows)")
      if item.singular.count > rank { #expect(excess(2, seed: 1) != excess(2, seed: 2) && excess(2) < excess(0)) }
    }
  }

  @Test func `matrices of low rank, equal singular values and zero`() {
    let identity = Matrix(rows: 20, columns: 20)
    for i in 0..<20 { identity[i, i] = 2 }
    let zero = Matrix(rows: 9, columns: 20)
    let one = Matrix(rows: 30, columns: 11)
    for i in 0..<30 { for j in 0..<11 { one[i, j] = Float((i % 7 - 3) * (j % 5 - 1)) } }
    let whole = one.elements.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    let search = SpectralFactors.Search(iterations: 2, random: CounterRandom(key: 1), stream: 0)
    for method in [nil, search] {
      #expect(
        abs(
          Self.left(SpectralFactors(singularVectorsOf: identity, rank: 5, search: method), of: identity, rank: 5)
            - 60.0.squareRoot()) < 1e-12)
      let nothing = SpectralFactors(singularVectorsOf: zero, rank: 3, search: method)
      #expect((nothing.left + nothing.right).allSatisfy { $0 == 0 })
      let factors = SpectralFactors(singularVectorsOf: one, rank: 4, search: method)
      #expect(Self.left(factors, of: one, rank: 4) < 1e-6 * whole)
      #expect((factors.left + factors.right).allSatisfy { $0.isFinite })
    }
    let factors = SpectralFactors(orthogonalFactorsOf: zero, rank: 3)
    #expect(factors.left.allSatisfy { $0.isFinite } && factors.right.allSatisfy { $0 == 0 })
  }
}
