import Foundation
import Tensors
import TestSupport
import Testing

/// Compares tiled attention with the full matrix of probabilities in fp64.
@Suite struct AttentionTests {
  /// One tree in the model's layout: the prompt, then completions that see the prompt and themselves.
  struct Sample {
    let heads, keyHeads, width: Int
    let rows: Int
    let segments: [AttentionSegment]
    let q, k, v, dout: Matrix

    init(prompt: Int, completions: [Int], heads: Int, keyHeads: Int, width: Int, seed: UInt64 = 1) {
      (self.heads, self.keyHeads, self.width) = (heads, keyHeads, width)
      var segments = [
        AttentionSegment(queryRow: 0, queryCount: prompt, prefixRow: 0, prefixCount: 0, ownRow: 0, ownOffset: 0)
      ]
      var row = prompt
      for count in completions {
        segments.append(
          AttentionSegment(
            queryRow: row, queryCount: count, prefixRow: 0, prefixCount: prompt, ownRow: row, ownOffset: 0))
        row += count
      }
      (rows, self.segments) = (row, segments)
      q = randomMatrix(row, heads * width, seed: seed, bound: 2)
      k = randomMatrix(row, keyHeads * width, seed: seed + 1, bound: 2)
      v = randomMatrix(row, keyHeads * width, seed: seed + 2)
      dout = randomMatrix(row, heads * width, seed: seed + 3)
    }

    func pool(_ threads: Int = 2) -> ThreadPool {
      ThreadPool(threads: threads, scratchCount: Attention.scratchCount(headWidth: width))
    }

    /// Results of forward and backward for segments over the given queries.
    func run(
      _ segments: [AttentionSegment], q: Matrix, dout: Matrix, threads: Int = 2
    ) -> (out: Matrix, dq: Matrix, dk: Matrix, dv: Matrix) {
      let pool = pool(threads)
      let out = Matrix(rows: q.rows, columns: q.columns)
      let logsum = Matrix(rows: q.rows, columns: heads)
      Attention.forward(out, logsum: logsum, q: q, k: k, v: v, segments: segments, headWidth: width, pool)
      let dq = randomMatrix(q.rows, q.columns, seed: 90)
      let (dk, dv) = (randomMatrix(rows, k.columns, seed: 91), randomMatrix(rows, k.columns, seed: 92))
      Attention.backward(
        dq: dq, dk: dk, dv: dv, dout: dout, out: out, logsum: logsum, q: q, k: k, v: v,
        trees: [Attention.Tree(rows: 0..<rows, segments: segments)], headWidth: width,
        partial: randomMatrix(2 * rows, q.columns, seed: 93, margin: 0), pool)
      return (out, dq, dk, dv)
    }

    /// The rows of keys that a query of a segment sees.
    static func keys(_ segment: AttentionSegment, query: Int) -> [Int] {
      Array(segment.prefixRow..<segment.prefixRow + segment.prefixCount)
        + Array(segment.ownRow...segment.ownRow + segment.ownOffset + query)
    }

    /// out, dq, dk, dv in fp64, as rows of numbers.
    func naive(_ segments: [AttentionSegment], q: Matrix, dout: Matrix) -> [[Double]] {
      let scale = 1 / Double(width).squareRoot()
      var out = [Double](repeating: 0, count: q.rows * q.columns)
      var dq = out
      var dk = [Double](repeating: 0, count: rows * k.columns)
      var dv = dk
      for segment in segments {
        for head in 0..<heads {
          let (own, shared) = (head * width, head / (heads / keyHeads) * width)
          for i in 0..<segment.queryCount {
            let query = segment.queryRow + i
            let keys = Self.keys(segment, query: i)
            func dot(_ x: Matrix, _ y: Matrix, _ key: Int) -> Double {
              (0..<width).reduce(0) { $0 + Double(x[query, own + $1]) * Double(y[key, shared + $1]) }
            }
            let scores = keys.map { dot(q, k, $0) * scale }
            let top = scores.max() ?? 0
            let exponentials = scores.map { exp($0 - top) }
            let total = exponentials.reduce(0, +)
            let p = exponentials.map { $0 / total }
            let dp = keys.map { dot(dout, v, $0) }
            let mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
            for (j, key) in keys.enumerated() {
              let ds = p[j] * (dp[j] - mean) * scale
              for e in 0..<width {
                out[query * q.columns + own + e] += p[j] * Double(v[key, shared + e])
                dq[query * q.columns + own + e] += ds * Double(k[key, shared + e])
                dk[key * k.columns + shared + e] += ds * Double(q[query, own + e])
                dv[key * k.columns + shared + e] += p[j] * Double(dout[query, own + e])
              }
            }
          }
        }
      }
      return [out, dq, dk, dv]
    }
  }

  static func check(_ sample: Sample, _ segments: [AttentionSegment], q: Matrix, dout: Matrix, _ what: String) {
    let found = sample.run(segments, q: q, dout: dout)
    let expected = sample.naive(segments, q: q, dout: dout)
    #expect(excess(found.out.elements.map(Double.init), expected[0], .kernel) < 1, "out, \(what)")
    #expect(excess(found.dq.elements.map(Double.init), expected[1], .attentionGradient) < 1, "dq, \(what)")
    #expect(excess(found.dk.elements.map(Double.init), expected[2], .attentionGradient) < 1, "dk, \(what)")
    #expect(excess(found.dv.elements.map(Double.init), expected[3], .attentionGradient) < 1, "dv, \(what)")
  }

  @Test(arguments: [
    (1, [1]), (1, [2, 1]), (127, [3]), (128, [191, 5]), (129, [192]), (191, [193]), (192, [127, 128, 129]),
    (193, []), (400, [2, 400]), (3, [256, 130]),
  ])
  func `forward and backward of trees`(prompt: Int, completions: [Int]) {
    let sample = Sample(prompt: prompt, completions: completions, heads: 2, keyHeads: 1, width: 10)
    Self.check(sample, sample.segments, q: sample.q, dout: sample.dout, "\(prompt) + \(completions)")
  }

  @Test(arguments: [(1, 1, 2), (4, 4, 6), (6, 2, 8), (4, 1, 33), (2, 2, 64), (1, 1, 130)])
  func `heads, groups and widths`(heads: Int, keyHeads: Int, width: Int) {
    let sample = Sample(prompt: 21, completions: [14, 9], heads: heads, keyHeads: keyHeads, width: width)
    Self.check(sample, sample.segments, q: sample.q, dout: sample.dout, "\(heads)/\(keyHeads) heads of \(width)")
  }

  /// Only some rows are queries: the prompt's last, and completions without their last, as in the model's last layer.
  static func scored(_ sample: Sample, prompt: Int, completions: [Int]) -> (
    rows: [Int], segments: [AttentionSegment]
  ) {
    var rows = [prompt - 1]
    var segments = [
      AttentionSegment(queryRow: 0, queryCount: 1, prefixRow: 0, prefixCount: 0, ownRow: 0, ownOffset: prompt - 1)
    ]
    var row = prompt
    for count in completions {
      segments.append(
        AttentionSegment(
          queryRow: rows.count, queryCount: count - 1, prefixRow: 0, prefixCount: prompt, ownRow: row, ownOffset: 0))
      rows += row..<row + count - 1
      row += count
    }
    return (rows, segments)
  }

  @Test(arguments: [(5, [4, 7]), (129, [2, 260]), (400, [193, 1])])
  func `scored queries alone have the bits they have among all`(prompt: Int, completions: [Int]) {
    let sample = Sample(prompt: prompt, completions: completions, heads: 4, keyHeads: 2, width: 12)
    let (rows, segments) = Self.scored(sample, prompt: prompt, completions: completions)
    let (q, dout) = (
      Matrix(rows: rows.count, columns: sample.q.columns), Matrix(rows: rows.count, columns: sample.q.columns)
    )
    let pool = sample.pool()
    Kernels.gather(q, sample.q, index: rows.map(Int32.init), pool)
    Kernels.gather(dout, sample.dout, index: rows.map(Int32.init), pool)
    Self.check(sample, segments, q: q, dout: dout, "scored")
    let (alone, all) = (
      sample.run(segments, q: q, dout: dout), sample.run(sample.segments, q: sample.q, dout: sample.dout)
    )
    for (i, row) in rows.enumerated() {
      #expect(bits(alone.out.rows(i..<i + 1)) == bits(all.out.rows(row..<row + 1)), "query \(row)")
      #expect(bits(alone.dq.rows(i..<i + 1)) == bits(all.dq.rows(row..<row + 1)), "gradient of query \(row)")
    }
  }

  /// Offsets: only the last queries of a sequence, as with keys that were computed before.
  @Test(arguments: [1, 7, 130, 191])
  func `queries after an offset`(count: Int) {
    let sample = Sample(prompt: 331, completions: [], heads: 2, keyHeads: 2, width: 10)
    let first = 331 - count
    let segments = [
      AttentionSegment(queryRow: 0, queryCount: count, prefixRow: 0, prefixCount: 0, ownRow: 0, ownOffset: first)
    ]
    let (q, dout) = (sample.q.rows(first..<331), sample.dout.rows(first..<331))
    Self.check(sample, segments, q: q, dout: dout, "offset \(first)")
    let (alone, all) = (
      sample.run(segments, q: q, dout: dout), sample.run(sample.segments, q: sample.q, dout: sample.dout)
    )
    #expect(bits(alone.out) == bits(all.out.rows(first..<331)))
    #expect(bits(alone.dq) == bits(all.dq.rows(first..<331)))
  }

  @Test(arguments: [1, 5, 37, 64, 100, 130, 193])
  func `bits do not depend on later queries`(count: Int) {
    let sample = Sample(prompt: 45, completions: [250], heads: 2, keyHeads: 1, width: 10)
    var segment = sample.segments[1]
    segment.queryCount = count
    let (alone, all) = (
      sample.run([segment], q: sample.q, dout: sample.dout),
      sample.run(sample.segments, q: sample.q, dout: sample.dout)
    )
    let rows = 45..<45 + count
    #expect(bits(alone.out.rows(rows)) == bits(all.out.rows(rows)))
    #expect(bits(alone.dq.rows(rows)) == bits(all.dq.rows(rows)))
  }

  @Test func `bits do not depend on threads`() {
    let sample = Sample(prompt: 150, completions: [140, 3], heads: 6, keyHeads: 3, width: 10)
    let one = sample.run(sample.segments, q: sample.q, dout: sample.dout, threads: 1)
    for threads in [2, 3] {
      let other = sample.run(sample.segments, q: sample.q, dout: sample.dout, threads: threads)
      #expect(bits(one.out) == bits(other.out) && bits(one.dq) == bits(other.dq))
      #expect(bits(one.dk) == bits(other.dk) && bits(one.dv) == bits(other.dv))
    }
  }

  /// Scores that differ widely: the running maximum must rescale the sum from tile to tile.
  @Test func `large scores`() {
    let sample = Sample(prompt: 300, completions: [40], heads: 1, keyHeads: 1, width: 4)
    Kernels.scale(sample.q, by: 60, sample.pool())
    let found = sample.run(sample.segments, q: sample.q, dout: sample.dout)
    let expected = sample.naive(sample.segments, q: sample.q, dout: sample.dout)
    // Scores reach 480, where the fp32 spacing is 3e-5, so the probabilities have the same error.
    #expect(excess(found.out.elements.map(Double.init), expected[0], Tolerance(relative: 0, absolute: 2e-4)) < 1)
  }
}
