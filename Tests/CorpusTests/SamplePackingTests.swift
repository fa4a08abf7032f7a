import Corpus
import Foundation
import TestSupport
import Testing

/// A case of `Tests/Fixtures/packing.json`, written by `packing.py` with axolotl's own sampler.
private struct PackingCase: Decodable {
  struct Expected: Decodable {
    /// Of the first order.
    var rows: [[Int]]
    /// Of every order, as many as an epoch has.
    var batches: [[[Int]]]
    var stepsPerEpoch, totalSteps: Int
  }

  var sequenceLen, microBatchSize, accumulation: Int
  var realBatches, sequential, dropsLast: Bool
  var groupSize, binSize: Int
  var epochs: Double
  var efficiency: Double?
  var lengths: [Int]
  /// nil: the examples keep their order.
  var orders: [[Int]]?
  var expected: Expected

  var packer: RowPacker {
    var settings = SamplePacking()
    (settings.usesRealBatches, settings.isSequential, settings.dropsLastStep) = (realBatches, sequential, dropsLast)
    (settings.groupSize, settings.mostExamplesPerRow) = (groupSize, binSize)
    settings.efficiencyEstimate = efficiency
    return RowPacker(settings, sequenceLength: sequenceLen, microBatchSize: microBatchSize, lengths: lengths)
  }

  static func load() throws -> [PackingCase] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
      [Self].self, from: Data(contentsOf: URL(fileURLWithPath: Repository.fixture("packing.json"))))
  }
}

struct SamplePackingTests {
  @Test func `rows and batches equal axolotl's`() throws {
    let cases = try PackingCase.load()
    #expect(cases.count == 80)
    for (number, one) in cases.enumerated() {
      let packer = one.packer
      let orders = one.orders ?? [Array(one.lengths.indices)]
      #expect(packer.rows(orders[0]) == one.expected.rows, "case \(number)")
      let batches = orders.map(packer.batches)
      let length = batches.prefix(4).map(\.count).min() ?? 0
      #expect(batches.map { Array($0.prefix(length)) } == one.expected.batches, "case \(number)")
    }
  }

  @Test func `steps equal axolotl's`() throws {
    let cases = try PackingCase.load().filter { $0.orders == nil }
    #expect(cases.count == 60)
    for (number, one) in cases.enumerated() {
      let plan = StepPlan(
        order: DataOrder(count: one.lengths.count, seed: 0, shuffles: false), packer: one.packer,
        batchesPerStep: one.accumulation, epochs: one.epochs, maximumSteps: nil)
      #expect(plan.stepsPerEpoch == one.expected.stepsPerEpoch, "case \(number)")
      #expect(plan.totalSteps == one.expected.totalSteps, "case \(number)")
      let batches = one.expected.batches[0]
      let steps = stride(from: 0, to: batches.count, by: one.accumulation).map { first in
        Array(batches[first..<min(first + one.accumulation, batches.count)].joined())
      }
      #expect((0..<plan.stepsPerEpoch).map(plan.positions) == steps, "case \(number)")
    }
  }

  private static func lengths(_ count: Int, seed: Int) -> [Int] { (0..<count).map { 2 + ($0 * 7919 + seed * 31) % 95 } }

  @Test(arguments: 0..<30)
  func `every epoch packs its own order and has as many steps`(seed: Int) {
    let lengths = Self.lengths(50 + seed, seed: seed)
    let packer = RowPacker(SamplePacking(), sequenceLength: 128, microBatchSize: 1 + seed % 3, lengths: lengths)
    let order = DataOrder(count: lengths.count, seed: UInt64(seed), shuffles: true)
    let perStep = 1 + seed % 4
    let plan = StepPlan(order: order, packer: packer, batchesPerStep: perStep, epochs: 7, maximumSteps: nil)
    let batches = (0..<7).map { packer.batches(order.positions(epoch: $0)) }
    let length = batches.prefix(4).map(\.count).min() ?? 0
    #expect(plan.stepsPerEpoch == (length + perStep - 1) / perStep)
    #expect(plan.totalSteps == max(1, length / perStep) * 7)
    var visited: [[Int]] = []
    plan.forEachStep { visited.append(Array($1)) }
    #expect(visited == (0..<plan.totalSteps).map(plan.positions))
    #expect(visited.allSatisfy { !$0.isEmpty })
    for step in visited.indices {
      let (epoch, place) = step.quotientAndRemainder(dividingBy: plan.stepsPerEpoch)
      let own = batches[epoch]
      let expected = (place * perStep..<min((place + 1) * perStep, length)).flatMap { own[$0 % own.count] }
      #expect(visited[step] == expected)
    }
  }

  @Test func `the first row with room is found among many`() {
    let lengths = Self.lengths(3000, seed: 5)
    let packer = RowPacker(SamplePacking(), sequenceLength: 200, microBatchSize: 1, lengths: lengths)
    var rows: [[Int]] = []
    var left: [Int] = []
    for position in lengths.indices {
      let row = left.firstIndex { $0 >= lengths[position] } ?? left.count
      if row == left.count {
        rows.append([])
        left.append(200)
      }
      rows[row].append(position)
      left[row] -= lengths[position]
    }
    #expect(packer.rows(Array(lengths.indices)) == rows)
  }

  @Test func `too few rows for a batch are one`() throws {
    let packer = RowPacker(SamplePacking(), sequenceLength: 10, microBatchSize: 4, lengths: [6, 6, 3])
    let plan = StepPlan(
      order: DataOrder(count: 3, seed: 0, shuffles: false), packer: packer, batchesPerStep: 2, epochs: 2,
      maximumSteps: nil)
    #expect(plan.totalSteps == 2 && plan.positions(step: 1) == [0, 2, 1])
    let packed = try #require(plan.packedRows)
    #expect(packed.rows == 2 && packed.rowTokens == 10 && packed.rowsPerStep == 8)
    #expect(packed.examples == 3 && packed.tokens == 15 && packed.fill == 0.75)
  }

  @Test func `maximum steps goes round again`() {
    let packer = RowPacker(SamplePacking(), sequenceLength: 10, microBatchSize: 1, lengths: [6, 6, 3])
    let plan = StepPlan(
      order: DataOrder(count: 3, seed: 0, shuffles: false), packer: packer, batchesPerStep: 1, epochs: 1,
      maximumSteps: 5)
    #expect((0..<5).map(plan.positions) == [[0, 2], [1], [0, 2], [1], [0, 2]])
    #expect(plan.epoch(afterSteps: 3) == 1.5)
  }
}
