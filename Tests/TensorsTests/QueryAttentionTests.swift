import Tensors
import TestSupport
import Testing

/// Compares attention of one query over a cache with attention of all queries, of which it is the last.
@Suite struct QueryAttentionTests {
  private func run(_ sample: AttentionTests.Sample, query: Int, threads: Int = 2) -> Matrix {
    let out = randomMatrix(1, sample.q.columns, seed: 40)
    let capacity = sample.rows + 300
    let parts = Attention.queryParts(keys: capacity, heads: sample.heads, headWidth: sample.width)
    Attention.forward(
      query: sample.q.rows(query..<query + 1), out, k: sample.k.prefix(query + 1), v: sample.v.prefix(query + 1),
      headWidth: sample.width, parts: parts, sample.pool(threads))
    return out
  }

  @Test(arguments: [(6, 2, 8), (14, 2, 64), (3, 1, 10), (4, 4, 33), (70, 1, 16)])
  func `one query sees what the last of many sees`(heads: Int, keyHeads: Int, width: Int) {
    let sample = AttentionTests.Sample(
      prompt: 700, completions: [], heads: heads, keyHeads: keyHeads, width: width)
    let all = Matrix(rows: 700, columns: sample.q.columns)
    Attention.forward(
      all, logsum: Matrix(rows: 700, columns: heads), q: sample.q, k: sample.k, v: sample.v, segments: sample.segments,
      headWidth: width, sample.pool())
    for query in [0, 1, 126, 127, 128, 300, 699] {
      let one = run(sample, query: query)
      #expect(
        excess(one.elements, all.rows(query..<query + 1).elements, .kernel) < 1, "query \(query)")
      #expect(bits(one) == bits(run(sample, query: query, threads: 1)), "query \(query)")
      #expect((one.base - 1).pointee.isNaN && (one.base + one.columns).pointee.isNaN, "wrote beside the result")
    }
  }
}
