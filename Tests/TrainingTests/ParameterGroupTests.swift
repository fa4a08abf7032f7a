import Foundation
import Model
import Tensors
import TestSupport
import Testing
import Training

/// PEFT's LoRA+ in `Tests/Fixtures/optimizers.json`, written by `optimizers.py`.
private struct LoRAPlusFixture: Decodable {
  struct Case: Decodable {
    var adapter: String
    var learningRate, ratio: Double
    var weightDecay: Double?
    var groups: [Group]
  }

  struct Group: Decodable {
    var learningRate, weightDecay: Double
    var names: [String]
  }

  var loraPlus: [Case]

  static func load() throws -> [Case] {
    let data = try Data(contentsOf: URL(fileURLWithPath: Repository.fixture("optimizers.json")))
    return try JSONDecoder().decode(LoRAPlusFixture.self, from: data).loraPlus
  }
}

@Suite struct ParameterGroupTests {
  static func layout(_ adapter: String) throws -> AdapterLayout {
    try TinyFixture(adapter == "adapter" ? "all" : "qv").adapter.required(adapter).layout
  }

  /// As PEFT's and transformers' rules have it: a magnitude is no matrix, and its name is not that of a norm or bias.
  @Test func `magnitudes learn with B and decay`() throws {
    let plain = try Self.layout("adapter")
    let layout = AdapterLayout(
      configuration: plain.configuration, rank: 2, scale: 1, modules: [.query, .down], form: .decomposed
    ).parameters
    let magnitudes = layout.parameters.filter { $0.role == .magnitude }
    #expect(magnitudes.count == 2 * plain.configuration.layerCount)
    let decaying = ParameterGroup.plain(layout, weightDecay: 0.1).filter { $0.weightDecay == 0.1 }.flatMap(\.ranges)
    let fast = ParameterGroup.loraPlus(layout, ratio: 4, weightDecay: 0.3).filter {
      $0.learningRateRatio == 4 && $0.weightDecay == 0.3
    }.flatMap(\.ranges)
    for magnitude in magnitudes {
      for ranges in [decaying, fast] {
        #expect(ranges.contains { $0.clamped(to: magnitude.range) == magnitude.range }, "\(magnitude.name)")
      }
    }
  }

  /// Each matrix has the learning rate and weight decay that PEFT's optimizer gives the parameter of its name.
  @Test func `LoRA+ has PEFT's groups`() throws {
    let cases = try LoRAPlusFixture.load()
    #expect(cases.map(\.adapter) == ["adapter", "adapter-qv"])
    for expected in cases {
      let layout = try Self.layout(expected.adapter)
      let groups = ParameterGroup.loraPlus(
        layout.parameters, ratio: expected.ratio, weightDecay: expected.weightDecay ?? 0)
      let arena = Storage(count: layout.count)
      var count = 0
      for name in layout.matrices {
        let matrix = layout.matrix(name, in: arena)
        let start = matrix.base - arena.base
        let range = start..<start + matrix.rows * matrix.columns
        let ours = groups.filter { $0.ranges.contains { $0.clamped(to: range) == range } }
        let theirs = expected.groups.filter { $0.names.contains(name.name) }
        #expect(ours.count == 1 && theirs.count == 1, "\(name.name)")
        #expect(ours.map { expected.learningRate * $0.learningRateRatio } == theirs.map(\.learningRate))
        #expect(ours.map(\.weightDecay) == theirs.map(\.weightDecay))
        count += range.count
      }
      #expect(count == layout.count && expected.groups.reduce(0) { $0 + $1.names.count } > 0)
    }
  }

  @Test(arguments: ["adapter", "adapter-qv"]) func `groups cover the arena once`(_ adapter: String) throws {
    let layout = try Self.layout(adapter)
    for groups in [
      ParameterGroup.plain(layout.parameters, weightDecay: 0.1), ParameterGroup.loraPlus(layout.parameters, ratio: 2),
    ] {
      let ranges = groups.flatMap(\.ranges).sorted { $0.lowerBound < $1.lowerBound }
      #expect(ranges.first?.lowerBound == 0 && ranges.last?.upperBound == layout.count)
      #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    }
  }

  /// Weights after three steps with either optimizer.
  static func train(_ layout: AdapterLayout, _ groups: [ParameterGroup], lion: Bool) -> [Float] {
    func storage(_ seed: UInt64) -> Storage {
      let storage = Storage(count: layout.count)
      let numbers = randomMatrix(1, layout.count, seed: seed, margin: 0).elements
      storage.base.update(from: numbers, count: numbers.count)
      return storage
    }
    let (weights, first, second) = (storage(1), Storage(count: layout.count), Storage(count: layout.count))
    let pool = ThreadPool(threads: 2)
    for number in 1...3 {
      let gradient = storage(UInt64(10 + number))
      for group in groups {
        let rate = 1e-3 * group.learningRateRatio * (1 / Double(number))
        for range in group.ranges {
          let start = range.lowerBound
          if lion {
            Optimizer.lion(
              weights: weights.base + start, momentum: first.base + start, gradient: gradient.base + start,
              count: range.count,
              LionStep(
                learningRate: rate, beta1: 0.9, beta2: 0.99, weightDecay: group.weightDecay, gradientScale: 0.7),
              pool)
          } else {
            Optimizer.adamW(
              weights: weights.base + start, first: first.base + start, second: second.base + start,
              gradient: gradient.base + start, count: range.count,
              AdamWStep(
                number: number, learningRate: rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
                weightDecay: group.weightDecay, gradientScale: 0.7), pool)
          }
        }
      }
    }
    return Array(UnsafeBufferPointer(start: weights.base, count: layout.count))
  }

  @Test(arguments: ["adapter", "adapter-qv"], [false, true])
  func `ratio 1 equals plain LoRA bit for bit`(_ adapter: String, lion: Bool) throws {
    let layout = try Self.layout(adapter)
    for decay in [0, 0.1] {
      let plain = Self.train(layout, ParameterGroup.plain(layout.parameters, weightDecay: decay), lion: lion)
      let one = Self.train(layout, ParameterGroup.loraPlus(layout.parameters, ratio: 1, weightDecay: decay), lion: lion)
      #expect(plain.map(\.bitPattern) == one.map(\.bitPattern))
      // Another ratio does not change A and moves every B further.
      let four = Self.train(
        layout, ParameterGroup.loraPlus(layout.parameters, ratio: 4, weightDecay: decay), lion: lion)
      for range in layout.parameters.ranges(of: .loraA) { #expect(four[range] == plain[range]) }
      for range in layout.parameters.ranges(of: .loraB) {
        #expect(zip(four[range], plain[range]).allSatisfy { $0 != $1 })
      }
    }
  }
}
