// The plan before a run, and the benchmark.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct MeasurementTests {
    @Test(arguments: [World.alone, World(ranks: 2)])
    func `the plan says seconds and memory and writes nothing`(world: World) throws {
      let fixture = try RunFixture()
      let before = try fixture.names(".")
      let ending = try fixture.train(world, "--plan", "val_set_size=3")
      #expect(ending.code == 0, "\(ending.errors)")
      let plan = try JSONValue.parse(ending.output)
      let seconds = try #require(plan["predicted_seconds"])
      let (step, total) = (try number(seconds, "per_step"), try number(seconds, "total"))
      let parts = [try number(seconds, "reference_pass"), try number(seconds, "evaluation")]
      #expect(step > 0 && parts.allSatisfy { $0 > 0 })
      // Four steps, the reference pass, and evaluations before the first step and after the last.
      #expect(abs(total - (4 * step + parts[0] + 2 * parts[1])) < 1e-9 * total)
      let memory = try #require(plan["memory"])
      let adapter = try number(memory, "adapter_and_optimizer_bytes")
      // Values, integer sums, two moments.
      #expect(adapter == (4 + 8 + 8) * (try number(plan, "adapter_parameters")))
      #expect(
        try number(memory, "private_bytes_per_rank")
          == adapter + number(memory, "pass_bytes") + number(memory, "process_bytes"))
      #expect(try fixture.names(".").filter { !$0.hasPrefix("job-") && $0 != "cache" } == before)
    }

    @Test func `a run says where its time went`() throws {
      let fixture = try RunFixture()
      let ending = try fixture.train(World(ranks: 2))
      #expect(ending.code == 0)
      #expect(ending.errors.contains("plan: ") && ending.errors.contains("idle by rank: "))
      let record = try JSONValue.parse(try fixture.text("run/run.json"))
      let ranks = try #require(record["seconds_by_rank"]?.array)
      #expect(ranks.count == 2)
      // From the first step to the last, all ranks measure the same seconds.
      let totals = ranks.map { ($0.members ?? []).reduce(0) { $0 + ($1.value.double ?? 0) } }
      #expect(totals[0] > 0 && abs(totals[0] - totals[1]) < 0.2 * totals[0] + 0.1)
      #expect(ranks.contains { ($0["linears"]?.double ?? 0) > 0 })
    }

    @Test(arguments: [World.alone, World(ranks: 2)])
    func `the benchmark adds up`(world: World) throws {
      let fixture = try RunFixture()
      let lengths = ["--prompt", "40", "--chosen", "12", "--rejected", "8", "--pairs", "6", "--rounds", "2"]
      let arguments = ["bench", "--model", TinyFixture.path("model"), "--threads", "1", "--json"] + lengths
      let ending = try Job(world.launcher + arguments, in: fixture).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      let report = try JSONValue.parse(ending.output)
      let step = try number(report["step_seconds"], "median")
      let phases = (report["phase_seconds"]?.members ?? []).reduce(0) { $0 + ($1.value.double ?? 0) }
      #expect(phases > 0.5 * step && phases < 2 * step)
      let (least, most) = (try number(report["utilisation"], "least"), try number(report["utilisation"], "most"))
      let work = try number(report, "step_operations")
      let bounds = (
        work / (try number(report["step_seconds"], "most") * number(report["sgemm_flops"], "most")),
        work / (try number(report["step_seconds"], "least") * number(report["sgemm_flops"], "least"))
      )
      #expect(least > 0 && least >= bounds.0 * (1 - 1e-9) && most <= bounds.1 * (1 + 1e-9))
      #expect(try number(report, "predicted_step_seconds") > 0)
    }

    private func number(_ value: JSONValue?, _ name: String) throws -> Double {
      try #require(value?[name]?.double, "\(name)")
    }
  }
}
