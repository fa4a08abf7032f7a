import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// What must hold of gradients, whatever the model.
extension TreeTests {
  @Test func `gradients of trees add up`() throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture, dropout: true)
    for dropout in [nil, RandomDraw(probability: 0.2, seed: 1, step: 9)] {
      let whole = try Self.gradient(pass, fixture, Self.trees, dropout: dropout)
      var sum = [Float](repeating: 0, count: whole.entries.count)
      for tree in Self.trees {
        for (i, entry) in try Self.gradient(pass, fixture, [tree], dropout: dropout).entries.enumerated() {
          sum[i] += entry
        }
      }
      #expect(relativeDistance(whole.entries, sum) < Distance.gradient)
    }
  }

  @Test func `equal completions have equal sums, and opposite coefficients cancel`() throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture)
    var tree = Self.tree(7, 19, [11])
    tree.completions.append(tree.completions[0])
    let adapter = try fixture.adapter.required("adapter")
    let gradient = Storage(count: adapter.layout.count)
    let sums = try pass.gradient(
      TreeBatch([tree]), model: fixture.model, adapter: adapter, dropout: nil, into: gradient
    ) { _ in [0.5, -0.5] }
    #expect(sums[0] == sums[1])
    let norm = Optimizer.norm(gradient.base, count: gradient.count, pass.pool)
    _ = try pass.gradient(TreeBatch([tree]), model: fixture.model, adapter: adapter, dropout: nil, into: gradient) {
      _ in [0.5, 0.5]
    }
    #expect(norm < 1e-5 * Optimizer.norm(gradient.base, count: gradient.count, pass.pool))
  }

  @Test(arguments: ["all", "untied"])
  func `B = 0 is the base model`(name: String) throws {
    let fixture = try TinyFixture(name)
    let adapter = try fixture.adapter.required("adapter")
    let trees = name == "all" ? Self.trees : fixture.trees
    let pass = Self.pass(fixture, trees)
    for layer in 0..<fixture.model.configuration.layerCount {
      for module in adapter.layout.modules {
        let b = try adapter.layout.b(module, layer: layer, in: adapter.weights).required("B")
        Kernels.clear(b, pass.pool)
      }
    }
    let batch = TreeBatch(trees)
    let base = try pass.tokenLogProbabilities(batch, model: fixture.model, adapter: nil)
    #expect(try pass.tokenLogProbabilities(batch, model: fixture.model, adapter: fixture.adapter) == base)
    let sums = try pass.logProbabilities(batch, model: fixture.model, adapter: fixture.adapter)
    let reference = try pass.logProbabilities(batch, model: fixture.model, adapter: nil)
    #expect(sums == reference)
    if name == "untied" { #expect(TrainingStepTests.gradients(sums, reference, beta: 0.1).loss == log(2)) }
    // The gradient of A is then zero; that of B is not.
    let found = try Self.gradient(pass, fixture, trees)
    let gradient = Storage(count: found.entries.count)
    gradient.base.update(from: found.entries, count: found.entries.count)
    for matrix in adapter.layout.matrices {
      let isZero = adapter.layout.matrix(matrix, in: gradient).elements.allSatisfy { $0 == 0 }
      #expect(isZero == (matrix.side == .a), "\(matrix.name)")
    }
  }

  @Test func `dropout draws anew for every step, seed and example, and does nothing at 0`() throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture, dropout: true)
    let draw = RandomDraw(probability: 0.3, seed: 5, step: 2)
    let sums = try Self.gradient(pass, fixture, Self.trees, dropout: draw).sums
    let plain = try Self.gradient(pass, fixture, Self.trees)
    #expect(sums != plain.sums)
    for other in [
      RandomDraw(probability: 0.3, seed: 6, step: 2), RandomDraw(probability: 0.3, seed: 5, step: 3),
    ] {
      #expect(zip(try Self.gradient(pass, fixture, Self.trees, dropout: other).sums, sums).allSatisfy { $0 != $1 })
    }
    var renamed = Self.trees
    for i in renamed.indices { renamed[i].index += 100 }
    #expect(zip(try Self.gradient(pass, fixture, renamed, dropout: draw).sums, sums).allSatisfy { $0 != $1 })
    let none = try Self.gradient(pass, fixture, Self.trees, dropout: RandomDraw(probability: 0, seed: 5, step: 2))
    #expect(none.sums == plain.sums && none.entries == plain.entries)
  }

  @Test(arguments: ["all", "qv", "untied"], [nil, RandomDraw(probability: 0.25, seed: 3, step: 1)])
  func `central differences`(name: String, dropout: RandomDraw?) throws {
    let fixture = try TinyFixture(name)
    try expectCentralDifferences(try fixture.adapter.required("adapter"), fixture, dropout: dropout)
  }
}

/// Compares the gradient along random directions with differences of the loss itself, module by module.
func expectCentralDifferences(_ adapter: Adapter, _ fixture: TinyFixture, dropout: RandomDraw?) throws {
  let pass = Pass(
    model: fixture.model, layout: adapter.layout, capacity: Capacity(TreeBatch(fixture.trees)), positions: 256,
    retention: .all, dropout: true, threads: 2)
  let batch = TreeBatch(fixture.trees)
  let coefficients = TreeTests.coefficients(fixture.trees)
  let gradient = Storage(count: adapter.layout.count)
  func value() throws -> Double {
    let sums = try pass.gradient(batch, model: fixture.model, adapter: adapter, dropout: dropout, into: gradient) {
      _ in coefficients
    }
    return zip(sums, coefficients).reduce(0) { $0 + $1.0 * $1.1 }
  }
  _ = try value()
  let found = Array(UnsafeBufferPointer(start: gradient.base, count: gradient.count))
  let random = CounterRandom(key: 17)
  for (place, matrix) in adapter.layout.matrices.enumerated() {
    let part = adapter.layout.matrix(matrix, in: adapter.weights)
    let offset = part.base - adapter.weights.base
    let count = part.rows * part.columns
    let own = Array(found[offset..<offset + count])
    let norm = own.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    // Half along the gradient, so that the derivative is well above rounding; half in a random direction.
    let before = part.elements
    let direction = own.indices.map { i in
      Double(own[i]) / norm + (2 * random.uniform(stream: UInt64(place), index: UInt64(i)) - 1)
        / Double(count).squareRoot()
    }
    let step = 4e-3
    func move(by amount: Double) -> [Double] {
      for i in 0..<count { part.base[i] = Float(Double(before[i]) + amount * direction[i]) }
      return (0..<count).map { Double(part.base[$0]) }
    }
    let above = move(by: step)
    let high = try value()
    let below = move(by: -step)
    let low = try value()
    part.base.update(from: before, count: count)
    // The actual step, after rounding.
    let expected = (0..<count).reduce(0.0) { $0 + Double(own[$1]) * (above[$1] - below[$1]) }
    #expect(abs(high - low - expected) < Distance.difference * abs(expected), "\(matrix.name)")
  }
}
