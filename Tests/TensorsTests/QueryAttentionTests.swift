import Tensors
import TestSupport
import Testing

/// Compares attention over paths of a shared cache with attention over adjacent rows.
@Suite struct QueryAttentionTests {
  /// Sequences with a common beginning, whose keys lie in pieces all over a cache.
  private struct Cache {
    let k, v: Matrix
    /// The keys of each sequence.
    let paths: [KeyRuns]
    let samples: [AttentionTests.Sample]

    /// - Parameter shared: the keys that all sequences begin with.
    init(_ samples: [AttentionTests.Sample], shared: Int, piece: Int) {
      self.samples = samples
      let rows = samples.reduce(16) { $0 + 2 * $1.rows }
      let columns = samples[0].k.columns
      let (k, v) = (randomMatrix(rows, columns, seed: 70), randomMatrix(rows, columns, seed: 71))
      (self.k, self.v) = (k, v)
      var next = 1
      var beginning = KeyRuns()
      func place(_ sample: AttentionTests.Sample, _ keys: Range<Int>) -> KeyRuns {
        var runs = KeyRuns()
        for start in stride(from: keys.lowerBound, to: keys.upperBound, by: piece) {
          let own = start..<min(start + piece, keys.upperBound)
          let to = next..<next + own.count
          for (matrix, from) in [(k, sample.k), (v, sample.v)] {
            for (row, source) in zip(to, own) { for j in 0..<columns { matrix[row, j] = from[source, j] } }
          }
          runs.append(to)
          next += own.count + (start % 2)
        }
        return runs
      }
      beginning = place(samples[0], 0..<shared)
      paths = samples.map { sample in place(sample, shared..<sample.rows).runs.reduce(beginning) { $0.appending($1) } }
    }
  }

  private static func sample(_ rows: Int, _ heads: Int, _ keyHeads: Int, _ width: Int, seed: UInt64)
    -> AttentionTests.Sample
  { AttentionTests.Sample(prompt: rows, completions: [], heads: heads, keyHeads: keyHeads, width: width, seed: seed) }

  /// Gives all samples the first rows of the first one.
  private static func share(_ shared: Int, _ samples: [AttentionTests.Sample]) {
    for sample in samples.dropFirst() {
      for (matrix, from) in [(sample.k, samples[0].k), (sample.v, samples[0].v), (sample.q, samples[0].q)] {
        for row in 0..<shared { for j in 0..<matrix.columns { matrix[row, j] = from[row, j] } }
      }
    }
  }

  private static func plain(_ sample: AttentionTests.Sample) -> Matrix {
    let out = Matrix(rows: sample.rows, columns: sample.q.columns)
    Attention.forward(
      out, logsum: Matrix(rows: sample.rows, columns: sample.heads), q: sample.q, k: sample.k, v: sample.v,
      segments: sample.segments, headWidth: sample.width, sample.pool())
    return out
  }

  @Test(arguments: [(6, 2, 8), (14, 2, 64), (3, 1, 10), (4, 4, 33), (200, 1, 16)])
  func `paths see what adjacent rows see, wherever they lie`(heads: Int, keyHeads: Int, width: Int) {
    let samples = (0..<3).map { Self.sample(300 + 90 * $0, heads, keyHeads, width, seed: UInt64(10 + $0)) }
    Self.share(200, samples)
    var first: [[UInt32]]?
    for (piece, threads) in [(1000, 1), (37, 2), (1, 3)] {
      let cache = Cache(samples, shared: 200, piece: piece)
      // All queries of the first sequence, and the last ones of the others, end to end.
      let queries = [samples[0].rows, 70, 1]
      let q = Matrix(rows: queries.reduce(0, +), columns: heads * width)
      var (start, paths): (Int, [Attention.PathQueries]) = (0, [])
      for (place, count) in queries.enumerated() {
        for i in 0..<count {
          for j in 0..<q.columns { q[start + i, j] = samples[place].q[samples[place].rows - count + i, j] }
        }
        paths.append(Attention.PathQueries(rows: start..<start + count, keys: cache.paths[place]))
        start += count
      }
      let out = randomMatrix(q.rows, q.columns, seed: 40)
      Attention.forward(
        out, q: q, k: cache.k, v: cache.v, paths: paths, headWidth: width, samples[0].pool(threads))
      for (place, path) in paths.enumerated() {
        let all = Self.plain(samples[place])
        let expected = all.rows(samples[place].rows - path.rows.count..<samples[place].rows)
        #expect(excess(out.rows(path.rows).elements, expected.elements, .kernel) < 1, "sequence \(place)")
      }
      first = first ?? bits(out).chunked
      #expect(bits(out).chunked == first, "pieces of \(piece)")
    }
  }

  @Test(arguments: [(6, 2, 8), (14, 2, 64), (3, 1, 10), (4, 4, 33), (200, 1, 16)])
  func `single queries see what the last of many sees, alone or together`(heads: Int, keyHeads: Int, width: Int) {
    let samples = [300, 390, 128, 129, 1].enumerated().map {
      Self.sample($1, heads, keyHeads, width, seed: UInt64(10 + $0))
    }
    Self.share(1, samples)
    let cache = Cache(samples, shared: 1, piece: 50)
    func run(_ places: [Int], threads: Int) -> Matrix {
      let q = Matrix(rows: places.count, columns: heads * width)
      for (i, place) in places.enumerated() {
        for j in 0..<q.columns { q[i, j] = samples[place].q[samples[place].rows - 1, j] }
      }
      let out = randomMatrix(q.rows, q.columns, seed: 40)
      let size = Attention.queryParts(queries: places.count, keys: 390, heads: heads, headWidth: width)
      Attention.forward(
        out, q: q, k: cache.k, v: cache.v, plan: Attention.QueryPlan(places.map { cache.paths[$0] }), headWidth: width,
        parts: Matrix(rows: size.rows, columns: size.columns), samples[0].pool(threads))
      return out
    }
    let together = run(Array(samples.indices), threads: 2)
    for (place, sample) in samples.enumerated() {
      let row = together.rows(place..<place + 1)
      let last = Self.plain(sample).rows(sample.rows - 1..<sample.rows)
      #expect(excess(row.elements, last.elements, .kernel) < 1, "query \(place)")
      #expect(bits(run([place], threads: 1)) == bits(row), "query \(place)")
    }
    #expect((together.base - 1).pointee.isNaN, "wrote beside the result")
  }

  /// Sequences whose first tiles are the same rows read them together.
  @Test func `shared keys change no bit`() {
    let samples = (0..<40).map { Self.sample(270 + $0, 4, 2, 16, seed: UInt64(10 + $0)) }
    Self.share(260, samples)
    let cache = Cache(samples, shared: 260, piece: 1000)
    func run(_ places: [Int]) -> [Matrix] {
      let q = Matrix(rows: places.count, columns: 64)
      for (i, place) in places.enumerated() {
        for j in 0..<64 { q[i, j] = samples[place].q[samples[place].rows - 1, j] }
      }
      let out = randomMatrix(q.rows, q.columns, seed: 40)
      let size = Attention.queryParts(queries: places.count, keys: 320, heads: 4, headWidth: 16)
      Attention.forward(
        out, q: q, k: cache.k, v: cache.v, plan: Attention.QueryPlan(places.map { cache.paths[$0] }), headWidth: 16,
        parts: Matrix(rows: size.rows, columns: size.columns), samples[0].pool())
      return places.indices.map { out.rows($0..<$0 + 1) }
    }
    let together = run(Array(samples.indices))
    for place in samples.indices { #expect(bits(run([place])[0]) == bits(together[place]), "query \(place)") }
  }
}

extension [UInt32] {
  /// Parts that a failed expectation can show.
  fileprivate var chunked: [[UInt32]] {
    stride(from: 0, to: count, by: 1024).map { Array(self[$0..<Swift.min($0 + 1024, count)]) }
  }
}
