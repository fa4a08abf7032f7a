import Collectives
import Corpus
import Model
import TestSupport
import Testing
import Training

/// What a rank keeps within a limit, and what a plan says of too little memory.
@Suite struct MemoryPlanTests {
  private static let layout = PolicyLayout(
    AdapterLayout(configuration: .qwen2Half, rank: 16, scale: 2, modules: Set(LinearModule.allCases)))
  private static let demand = {
    var demand = PassDemand()
    demand.include([
      ExampleTree(
        index: 0, prompt: Array(repeating: 1, count: 1300),
        completions: [Array(repeating: 2, count: 448), Array(repeating: 3, count: 300)])
    ])
    return demand
  }()

  private static func plan(limit: String? = nil, free: Int? = nil, weights: Int = 0) throws -> MemoryPlan {
    var lines = ["adapter: lora", "gradient_checkpointing: auto"]
    if let limit { lines.append("memory_limit: \(limit)") }
    return try MemoryPlan(
      configuration(minimalYAML, overrides: lines.map { $0.replacing(": ", with: "=") }), layout, demand: demand,
      samples: SamplePlan(), taskBytes: 0, threads: 2, weightBytes: weights, free: free, world: SoloCommunicator())
  }

  private static func recomputed(_ plan: MemoryPlan) -> Int {
    plan.retention.recomputedLayers(of: ModelConfiguration.qwen2Half.layerCount)
  }

  @Test func `frozen weights stay in memory beside what a rank keeps`() throws {
    let all = try Self.plan()
    #expect(all.retention == .all && all.notice == nil)
    // What the plan adds to it is what the process holds by now.
    let free = all.privateBytes * 10 / 9 + 100_000_000
    #expect(try Self.plan(free: free + 400_000_000).retention == .all)
    let shared = try Self.plan(free: free, weights: 1_000_000_000)
    #expect(Self.recomputed(shared) > 0 && Self.recomputed(shared) < 23)
    #expect(shared.privateBytes + 1_000_000_000 < free && shared.notice == nil)
    #expect(shared.sharedBytes == 1_000_000_000)
  }

  @Test func `weights that do not fit are read again, and a notice says so`() throws {
    let least = try Self.plan(limit: "1.5GB")
    let plan = try Self.plan(free: least.privateBytes, weights: 3_000_000_000)
    #expect(plan.retention == .layerInputs)
    let notice = try plan.notice.required("a notice")
    #expect(notice.contains("too little to keep 3.00 GB of weights in memory"), "\(notice)")
    // A limit of the user's own holds whatever is free.
    let limited = try Self.plan(limit: "4GB", free: 1_000_000_000)
    #expect(try limited.notice.required("a notice").contains("this rank needs"))
  }

  @Test func `too little for any plan is refused with both numbers`() throws {
    let limit = #expect(throws: MemoryLimitTooLow.self) { try Self.plan(limit: "100MB") }
    #expect("\(try limit.required("an error"))".contains("memory_limit: a rank needs at least"))
    #expect("\(try limit.required("an error"))".contains("the limit is 100.00 MB"))
    let machine = #expect(throws: MemoryLimitTooLow.self) { try Self.plan(free: 1_000_000) }
    #expect("\(try machine.required("an error"))".contains("this machine or container has"))
  }
}
