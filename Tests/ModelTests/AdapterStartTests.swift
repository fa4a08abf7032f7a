import Model
import Tensors
import TestSupport
import Testing

/// Tests the initialisations: the drawn matrix, its distribution, and that it depends on seed and place only.
@Suite struct AdapterStartTests {
  enum Start: CaseIterable { case uniform, gaussian, b }

  static func adapter(_ start: Start, seed: UInt64, rank: Int = 32, modules: Set<LinearModule>) throws -> Adapter {
    let configuration = try TinyFixture("all").model.configuration
    let adapter = Adapter(layout: AdapterLayout(configuration: configuration, rank: rank, scale: 1, modules: modules))
    switch start {
    case .uniform: adapter.initializeUniform(seed: seed)
    case .gaussian: adapter.initializeGaussian(seed: seed)
    case .b: adapter.initializeB(seed: seed)
    }
    return adapter
  }

  static func entries(_ adapter: Adapter, _ side: AdapterMatrix.Side) -> [Double] {
    adapter.layout.parameters.ranges(of: side == .a ? .loraA : .loraB).flatMap { range in
      range.map { Double(adapter.weights.base[$0]) }
    }
  }

  static func moment(_ x: [Double], _ power: Int) -> Double {
    x.reduce(0) { sum, x in sum + (0..<power).reduce(1) { product, _ in product * x } } / Double(x.count)
  }

  @Test(arguments: Start.allCases) func `one side is drawn and the other is zero`(_ start: Start) throws {
    let adapter = try Self.adapter(start, seed: 3, modules: Set(LinearModule.allCases))
    let (drawn, zero): (AdapterMatrix.Side, AdapterMatrix.Side) = start == .b ? (.b, .a) : (.a, .b)
    #expect(Self.entries(adapter, zero).allSatisfy { $0 == 0 })
    let entries = Self.entries(adapter, drawn)
    #expect(!entries.contains(0) && Set(entries).count > entries.count * 99 / 100)
  }

  @Test func `gaussian has PEFT's standard deviation`() throws {
    for rank in [8, 32] {
      let x = Self.entries(
        try Self.adapter(.gaussian, seed: 11, rank: rank, modules: Set(LinearModule.allCases)), .a
      ).map { $0 * Double(rank) }
      // Standard errors: of the mean 1/√n, of the variance √(2/n), of the fourth moment √(96/n). Allows four of each.
      let n = Double(x.count)
      #expect(abs(Self.moment(x, 1)) < 4 / n.squareRoot(), "rank \(rank)")
      #expect(abs(Self.moment(x, 2) - 1) < 4 * (2 / n).squareRoot(), "rank \(rank)")
      #expect(abs(Self.moment(x, 4) - 3) < 4 * (96 / n).squareRoot(), "rank \(rank)")
      #expect(n > 5000 && x.allSatisfy(\.isFinite))
    }
  }

  @Test func `Init[B] is uniform within 1 over the root of the rank`() throws {
    for rank in [4, 32] {
      let x = Self.entries(try Self.adapter(.b, seed: 5, rank: rank, modules: Set(LinearModule.allCases)), .b)
        .map { $0 * Double(rank).squareRoot() }
      let n = Double(x.count)
      #expect(x.allSatisfy { abs($0) <= 1 + 1e-6 } && x.contains { $0 > 0.98 } && x.contains { $0 < -0.98 })
      #expect(abs(Self.moment(x, 1)) < 4 / (3 * n).squareRoot(), "rank \(rank)")
      #expect(abs(Self.moment(x, 2) - 1.0 / 3) < 4 * (4 / (45 * n)).squareRoot(), "rank \(rank)")
    }
  }

  @Test(arguments: Start.allCases) func `numbers depend on seed and place alone`(_ start: Start) throws {
    let all = try Self.adapter(start, seed: 9, modules: Set(LinearModule.allCases))
    let few = try Self.adapter(start, seed: 9, modules: [.value, .down])
    let other = try Self.adapter(start, seed: 10, modules: [.value, .down])
    for layer in 0..<all.layout.configuration.layerCount {
      for module in [LinearModule.value, .down] {
        for side in [AdapterMatrix.Side.a, .b] {
          let name = AdapterMatrix(module, layer: layer, side: side)
          let expected = all.layout.matrix(name, in: all.weights).elements
          #expect(few.layout.matrix(name, in: few.weights).elements == expected)
          if (side == .b) == (start == .b) {
            #expect(other.layout.matrix(name, in: other.weights).elements != expected)
          }
        }
      }
    }
  }
}
