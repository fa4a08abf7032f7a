import Corpus
import Model
import Tensors
import Testing
import Training

/// The schedule of evaluations and saves, and whether the planned memory suffices for every micro-batch.
@Suite struct StepScheduleTests {
  static func schedule(_ settings: String..., examples: Int) throws -> StepSchedule {
    var configuration = try minimal()
    configuration.evaluations = .never
    configuration.saves = .never
    for setting in settings {
      let parts = setting.split(separator: "=").map(String.init)
      let number = Int(parts[1]) ?? 0
      switch parts[0] {
      case "batch": configuration.batchSize = number
      case "epochs": configuration.epochs = Double(number)
      case "evals": configuration.evaluations = .perEpoch(number)
      case "eval_steps": configuration.evaluations = .steps(number)
      case "saves": configuration.saves = .perEpoch(number)
      default: configuration.saves = .steps(number)
      }
    }
    return StepSchedule(configuration, examples: examples)
  }

  static func steps(_ schedule: StepSchedule, _ isDue: (Int) -> Bool) -> [Int] {
    (1...schedule.totalSteps).filter(isDue)
  }

  @Test func `per epoch`() throws {
    let schedule = try Self.schedule("batch=4", "epochs=2", "saves=1", "evals=3", examples: 37)
    #expect(schedule.totalSteps == 20)
    #expect(Self.steps(schedule, schedule.saves) == [10, 20])
    #expect(Self.steps(schedule, schedule.evaluates) == [4, 7, 10, 14, 17, 20])
  }

  @Test func `more often than there are steps`() throws {
    let schedule = try Self.schedule("batch=5", "epochs=2", "saves=9", examples: 11)
    #expect(schedule.totalSteps == 6)
    #expect(Self.steps(schedule, schedule.saves) == [1, 2, 3, 4, 5, 6])
  }

  @Test func `per epoch, by the definition`() throws {
    for (count, times) in [(1, 1), (7, 3), (7, 6), (7, 7), (12, 5), (100, 99), (100, 7)] {
      let schedule = try Self.schedule("batch=1", "saves=\(times)", examples: count)
      let due = Set((1...times).map { ($0 * count + times - 1) / times }).sorted()
      #expect(Self.steps(schedule, schedule.saves) == due, "\(times) of \(count)")
    }
  }

  @Test func `numbers at their limits`() throws {
    let schedule = try Self.schedule("batch=1000000000000000000", "saves=1000000000", "evals=1000000000", examples: 11)
    #expect(schedule.totalSteps == 1 && schedule.saves(after: 1) && schedule.plan.positions(step: 0).count == 11)
  }

  /// math.ceil(steps * share), as TrainerState.compute_steps of transformers 5.23.
  @Test(arguments: [
    (0.05, 3), (0.1, 5), (0.25, 11), (0.34, 14), (0.5, 21), (0.99, 41), (0.001, 1),
  ])
  func `a share of all steps`(share: Double, every: Int) throws {
    var configuration = try minimal(with: "max_steps=41")
    (configuration.evaluations, configuration.saves, configuration.logs) = (.share(share), .share(share), .share(share))
    let schedule = StepSchedule(configuration, examples: 7)
    let due = Array(stride(from: every, through: 41, by: every))
    #expect(Self.steps(schedule, schedule.saves) == due)
    #expect(Self.steps(schedule, schedule.logs) == (due.last == 41 ? due : due + [41]))
    #expect(Self.steps(schedule, schedule.evaluates) == (due.last == 41 ? due : due + [41]))
  }

  @Test func `every so many steps`() throws {
    let schedule = try Self.schedule("batch=2", "epochs=3", "save_steps=4", "eval_steps=5", examples: 7)
    #expect(schedule.totalSteps == 12)
    #expect(Self.steps(schedule, schedule.saves) == [4, 8, 12])
    #expect(Self.steps(schedule, schedule.evaluates) == [5, 10, 12], "and once after the last")
    let never = try Self.schedule("batch=2", examples: 7)
    #expect(Self.steps(never, never.saves) == [] && Self.steps(never, never.evaluates) == [never.totalSteps])
  }

  @Test func `the first and the last step`() throws {
    var configuration = try minimal(with: "max_steps=9", "save_steps=4", "save_first_step=true")
    #expect(
      Self.steps(StepSchedule(configuration, examples: 7), StepSchedule(configuration, examples: 7).saves) == [1, 4, 8])
    configuration.savesFirstStep = false
    configuration.endsWithBest = true
    let schedule = StepSchedule(configuration, examples: 7)
    #expect(Self.steps(schedule, schedule.saves) == [4, 8, 9])
  }

  static func trees(_ count: Int, seed: UInt64, longest: Double) -> [ExampleTree] {
    let random = CounterRandom(key: seed)
    func length(_ i: Int, _ part: UInt64) -> Int {
      // Mostly short, some very long.
      let u = random.uniform(stream: part, index: UInt64(i))
      return 1 + Int(u * u * u * longest)
    }
    return (0..<count).map { i in
      ExampleTree(
        index: i, prompt: Array(repeating: 1, count: length(i, 0)),
        completions: [Array(repeating: 1, count: length(i, 1)), Array(repeating: 1, count: length(i, 2))])
    }
  }

  static func holds(_ demand: PassDemand, _ trees: some Sequence<ExampleTree>) -> Bool {
    let batch = TreeBatch(Array(trees))
    let isLong = batch.positions.contains { Int($0) >= demand.positions }
    return demand.capacity.union(Capacity(batch)) == demand.capacity && !isLong
  }

  @Test func `memory for every scoring run, in any order`() {
    for seed in UInt64(0)..<60 {
      let longest = [3.0, 60, 400, 1500, 5000][Int(seed % 5)]
      let trees = Self.trees(1 + Int(seed * 7 % 83), seed: seed, longest: longest)
      var demand = PassDemand()
      demand.includeScoring { trees.forEach($0) }
      for order in UInt64(0)..<8 {
        let some = CounterRandom(key: seed).permutation(count: trees.count, stream: order)
          .prefix(trees.count - Int(order) * trees.count / 16).map { trees[$0] }
        for run in MicroBatchPlan.runs(tokenCounts: some.map(\.tokenCount)) {
          #expect(Self.holds(demand, some[run]), "seed \(seed), order \(order), run \(run)")
        }
      }
    }
  }

  @Test(arguments: [Objective.supervised, .orpo(beta: 0.1), .kto(KTO(beta: 0.1))])
  func `memory for every micro-batch of every step`(objective: Objective) {
    for seed in UInt64(0)..<20 {
      let trees = Self.trees(29, seed: seed, longest: 900)
      let plan = StepPlan(
        order: DataOrder(count: trees.count, seed: seed, shuffles: true), batchSize: 1 + Int(seed % 9), epochs: 2.5,
        maximumSteps: nil)
      var demand = PassDemand()
      func stepTrees(_ positions: some Sequence<Int>) -> [ExampleTree] {
        objective.trees(positions.map { trees[$0] }, limit: 1200)
      }
      demand.includeSteps(plan, objective) { stepTrees($0) }
      for step in 0..<plan.totalSteps {
        let examples = stepTrees(plan.positions(step: step))
        func batches(_ trees: [ExampleTree]) -> [[ExampleTree]] {
          MicroBatchPlan(tokenCounts: trees.map(\.tokenCount)).microBatches.map { $0.map { trees[$0] } }
        }
        let trained = batches(examples.map(objective.trainedTree))
        #expect(trained.count <= demand.mostMicroBatches)
        for batch in trained + batches(examples) { #expect(Self.holds(demand, batch)) }
      }
    }
  }

  @Test func `the demand of one tree is exact`() {
    let tree = ExampleTree(index: 0, prompt: [1, 1, 1], completions: [[2], [2, 2, 2]])
    var demand = PassDemand()
    demand.include([tree])
    #expect(demand.capacity == Capacity(TreeBatch([tree])) && demand.positions == 6)
  }
}
