import Corpus
import Testing

struct DataOrderTests {
  @Test func `every epoch visits every example once`() {
    let order = DataOrder(count: 37, seed: 5, shuffles: true)
    for epoch in 0..<4 { #expect(order.positions(epoch: epoch).sorted() == Array(0..<37)) }
    #expect(order.positions(epoch: 0) != order.positions(epoch: 1))
    #expect(order.positions(epoch: 0) != Array(0..<37))
    #expect(order.positions(epoch: 1) == DataOrder(count: 37, seed: 5, shuffles: true).positions(epoch: 1))
    #expect(order.positions(epoch: 1) != DataOrder(count: 37, seed: 6, shuffles: true).positions(epoch: 1))
  }

  @Test func `without shuffling the file order stays`() {
    #expect(DataOrder(count: 5, seed: 5, shuffles: false).positions(epoch: 3) == [0, 1, 2, 3, 4])
  }

  @Test func `the last step of an epoch may be smaller`() {
    let order = DataOrder(count: 10, seed: 1, shuffles: true)
    let plan = StepPlan(order: order, batchSize: 4, epochs: 2, maximumSteps: nil)
    #expect(plan.totalSteps == 6)
    #expect((0..<6).map { plan.positions(step: $0).count } == [4, 4, 2, 4, 4, 2])
    #expect((0..<3).flatMap(plan.positions(step:)) == order.positions(epoch: 0))
    #expect((3..<6).flatMap(plan.positions(step:)) == order.positions(epoch: 1))
    #expect(plan.epoch(afterSteps: 3) == 1)
    var visited: [[Int]] = []
    plan.forEachStep { _, positions in visited.append(Array(positions)) }
    #expect(visited == (0..<6).map(plan.positions(step:)))
  }

  @Test(arguments: [(0.5, 2), (1.0, 3), (1.4, 5), (0.01, 1), (2.0, 6)])
  func `epochs may be fractions`(epochs: Double, steps: Int) {
    let order = DataOrder(count: 10, seed: 1, shuffles: true)
    #expect(StepPlan(order: order, batchSize: 4, epochs: epochs, maximumSteps: nil).totalSteps == steps)
  }

  @Test func `maximum steps overrides epochs and goes round again`() {
    let order = DataOrder(count: 3, seed: 1, shuffles: true)
    let plan = StepPlan(order: order, batchSize: 8, epochs: 1, maximumSteps: 7)
    #expect(plan.totalSteps == 7)
    #expect((0..<7).allSatisfy { plan.positions(step: $0).sorted() == [0, 1, 2] })
  }
}
