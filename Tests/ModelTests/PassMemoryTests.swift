import Model
import TestSupport
import Testing

/// Compares the counted memory of a pass with its actual memory.
@Suite struct PassMemoryTests {
  @Test(arguments: [Retention.none, .layerInputs, .activations(layers: 1), .all], [false, true])
  func `counted bytes are those of a pass`(retention: Retention, dropout: Bool) throws {
    for (name, trees) in [("all", TreeTests.trees), ("qv", [TreeTests.trees[1]]), ("untied", [TreeTests.trees[4]])] {
      let fixture = try TinyFixture(name)
      for threads in [1, 3] {
        let pass = TreeTests.pass(fixture, trees, retention: retention, dropout: dropout, threads: threads)
        let counted = Pass.byteCount(
          fixture.model.configuration, fixture.adapter.map { PolicyLayout($0.layout) },
          capacity: Capacity(TreeBatch(trees)), positions: 256,
          retention: retention, dropout: dropout, threads: threads)
        #expect(counted == pass.byteCount, "\(name), \(threads) threads")
      }
    }
  }

  @Test func `recomputing saves memory layer by layer`() throws {
    let fixture = try TinyFixture("all")
    let c = fixture.model.configuration
    let bytes = (0...c.layerCount).map { layers in
      Pass.byteCount(
        c, fixture.adapter.map { PolicyLayout($0.layout) }, capacity: Capacity(TreeBatch(TreeTests.trees)),
        positions: 256,
        retention: .activations(layers: layers), dropout: false, threads: 1)
    }
    // Each of the last two holds one layer's full rows: the shared buffers go when the first layer keeps its own.
    #expect(zip(bytes, bytes.dropFirst()).dropLast().allSatisfy { $0 < $1 } && bytes[0] < bytes[c.layerCount])
    #expect(Retention.all.recomputedLayers(of: 28) == 0 && Retention.layerInputs.recomputedLayers(of: 28) == 27)
    #expect(Retention.activations(layers: 27).recomputedLayers(of: 28) == 0)
  }
}
