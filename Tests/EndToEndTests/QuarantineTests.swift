// A record whose micro-batch always crashes the program: the third start excludes it.

import Checkpoints
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct QuarantineTests {
    private static let poison = 9
    private static let settings = ["save_steps=1"]

    /// Short records, and one that takes a second or two; in the data's order.
    private static func fixture(batch: Int) throws -> RunFixture {
      let fixture = try RunFixture(pairs: 0)
      let model = try fixture.copy("model", as: "model")
      try fixture.replace(
        #""max_position_embeddings": 512"#, by: #""max_position_embeddings": 32768"#, in: "model/config.json")
      var lines = RunFixture.lines(16).split(separator: "\n").map(String.init)
      let long = Array(repeating: "shoal river sea", count: 700).joined(separator: " ")
      lines[poison] = #"{"prompt": "\#(long)", "chosen": " net", "rejected": " tide"}"#
      try fixture.write("pairs.jsonl", lines.joined(separator: "\n") + "\n")
      let text = try fixture.text("config.yaml")
        .replacing(TinyFixture.path("model"), with: model).replacing("sequence_len: 512", with: "sequence_len: 32768")
        .replacing("micro_batch_size: 5", with: "micro_batch_size: \(batch)")
        .replacing("num_epochs: 2", with: "num_epochs: 1")
      try fixture.write("config.yaml", text + "\nshuffle_merged_datasets: false\n")
      return fixture
    }

    private static func crashes(_ fixture: RunFixture) throws -> [String] {
      try fixture.names("run").filter { $0.hasPrefix("crash-") }
    }

    /// Starts a run and crashes it while the long record is computed.
    private static func crash(_ fixture: RunFixture, _ signal: Int32, before step: Int) throws {
      let job = try fixture.start(World(threads: 1), settings)
      try job.wait {
        let told = job.toldSoFar
        return told.contains("checkpoint-\(step - 1)\n") && told.contains("plan: ")
      }
      usleep(300_000)
      job.send(signal)
      let ending = job.wait()
      #expect(ending.isSignalled && ending.code == signal, "\(ending.errors)")
    }

    /// With a batch size of one, the step has no records left.
    @Test(arguments: [2, 1]) func `a record that crashes twice is left out`(batch: Int) throws {
      let fixture = try Self.fixture(batch: batch)
      let step = Self.poison / batch + 1
      var tries = 0
      for (count, signal) in [SIGSEGV, SIGABRT].enumerated() {
        repeat {
          tries += 1
          try #require(tries < 8, "no crash fell into the long micro-batch")
          try Self.crash(fixture, signal, before: step)
        } while try Self.crashes(fixture).count <= count
        sleep(1)  // Report names have a resolution of one second.
      }
      for report in try Self.crashes(fixture) {
        let json = try JSONValue.parse(fixture.text("run/\(report)"))
        #expect(json["records"]?["training"]?.array?.map(\.int) == [Self.poison])
      }
      try FileManager.default.copyItem(atPath: fixture.path("run"), toPath: fixture.path("other"))

      let alone = try fixture.start(World(threads: 1), Self.settings).wait()
      #expect(alone.code == 0, "\(alone.errors)")
      #expect(alone.errors.contains("warning: record 9 crashed the program twice and is left out"), "\(alone.errors)")
      #expect(try fixture.start(World(ranks: 2, threads: 1), Self.settings + ["output_dir=other"]).wait().code == 0)
      #expect(try fixture.adapter() == fixture.adapter("other"), "whoever computes")
      let record = try JSONValue.parse(fixture.text("run/run.json"))
      #expect(record["quarantined"]?["training"]?.array?.map(\.int) == [Self.poison])
      let metrics = fixture.metrics().filter { $0["learning_rate"] != nil }
      #expect(metrics.compactMap { $0["step"]?.int } == Array(1...16 / batch))
      let line = try #require(metrics.first { $0["step"]?.int == step })
      #expect((line["skipped"]?.bool == true) == (batch == 1))
      #expect(metrics.last?["num_tokens"]?.int ?? .max < 4000)
    }
  }
}
