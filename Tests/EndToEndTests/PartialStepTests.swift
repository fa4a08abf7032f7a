// An interrupted step or evaluation: saved between micro-batches, and continued on other ranks.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct PartialStepTests {
    /// Steps of some twenty micro-batches.
    private static func fixture() throws -> RunFixture {
      let fixture = try RunFixture(pairs: 90)
      try fixture.replace("micro_batch_size: 5", by: "micro_batch_size: 70", in: "config.yaml")
      try fixture.write(
        "config.yaml", try fixture.text("config.yaml") + "\nmax_steps: 12\nval_set_size: 20\neval_steps: 4\n")
      return fixture
    }

    private func partials(_ fixture: RunFixture) -> [String] {
      ((try? fixture.names("run")) ?? []).filter { $0.hasPrefix("partial-") && !$0.contains(".tmp") }
    }

    /// Saves after every micro-batch, so that a partial step exists at any time.
    private static let always = "save_minutes=1e-5"

    @Test(arguments: [[], ["rl=kto"], ["dpo_loss_type=aot", "lora_dropout=0"], ["adapter="]])
    func `a killed step goes on from its middle`(settings: [String]) throws {
      let fixture = try Self.fixture()
      func train(_ world: World, _ more: String...) throws -> ProcessResult {
        try fixture.start(world, settings + more).wait()
      }
      let whole = try train(World(threads: 2), "output_dir=whole", "save_minutes=0")
      try #require(whole.code == 0, "\(whole.errors)")
      #expect(try !fixture.names("whole").contains { $0.hasPrefix("partial-") }, "0 minutes: never")

      for ranks in [2, nil, 3] as [Int?] {
        let job = try fixture.start(World(ranks: ranks, threads: 1), settings + [Self.always])
        let before = Set(partials(fixture))
        try job.wait {
          partials(fixture).contains { !before.contains($0) && $0.contains("-step-") && !$0.hasSuffix("-0") }
        }
        job.send(SIGKILL)
        _ = job.wait()
      }
      let resumed = try train(World(ranks: 2, threads: 1))
      #expect(resumed.code == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains("was under way: "), "\(resumed.errors)")
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      func values(_ run: String) -> [[String]] {
        fixture.metrics(run).map { line in
          ["step", "epoch", "loss", "grad_norm", "num_tokens", "eval_loss"].map { "\(line[$0] ?? .null)" }
        }
      }
      #expect(values("run") == values("whole"))
    }

    /// A stop request ends the run soon and loses nothing, at any moment of the run.
    @Test func `a stop is heard between micro batches`() throws {
      let fixture = try Self.fixture()
      let whole = try fixture.train(World(threads: 2), "output_dir=whole")
      try #require(whole.code == 0, "\(whole.errors)")
      var (stops, isDone) = (0, false)
      for round in 0..<12 where !isDone {
        let job = try fixture.start(World(ranks: [nil, 2, 3][round % 3], threads: 1), ["save_minutes=0"])
        try job.wait { fixture.exists("run/\(DirectoryLock.name)") }
        usleep(UInt32(150_000 + 60_000 * (round % 5)))
        job.send(SIGUSR1)
        let ending = job.wait()
        #expect([0, 75].contains(ending.code), "\(ending.errors)")
        isDone = ending.code == 0
        if !isDone { stops += 1 }
      }
      if !isDone { #expect(try fixture.train().code == 0) }
      #expect(stops >= 3)
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(fixture.steps() == Array(1...12))
    }

    @Test func `damaged work is passed over and kept`() throws {
      let fixture = try Self.fixture()
      #expect(try fixture.train(World(threads: 2), "output_dir=whole").code == 0)
      let job = try fixture.start(.alone, ["--threads", "1", Self.always])
      try job.wait { partials(fixture).contains { $0.contains("-step-") && !$0.hasSuffix("-0") } }
      job.send(SIGKILL)
      _ = job.wait()
      for name in partials(fixture) { try fixture.damage("run/\(name)/sums.safetensors") }
      let damaged = partials(fixture)
      let resumed = try fixture.train(.alone, "save_minutes=0")
      #expect(resumed.code == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains("is passed over and set aside as"))
      let names = try fixture.names("run")
      #expect(damaged.filter { names.contains("\($0).damaged") }.count >= 1)
      #expect(try fixture.adapter() == fixture.adapter("whole"))
    }
  }
}
