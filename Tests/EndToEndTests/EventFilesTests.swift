// A run's event files agree with its metrics.jsonl, also after a resume that repeats steps.

import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct EventFilesTests {
  private struct Point: Hashable {
    let step: Int
    let tag: String
    let value: Float
  }

  private func train(_ arguments: [String]) throws -> Int32 {
    let process = Process()
    // The test runner is in the product's directory.
    process.executableURL = try #require(Bundle.main.executableURL).deletingLastPathComponent()
      .appendingPathComponent("shoal")
    process.arguments = ["train"] + arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }

  private func configuration(output: String) -> String {
    """
    base_model: \(TinyFixture.path("model"))
    adapter: lora
    lora_r: 2
    rl: dpo
    datasets: [{path: \(TinyFixture.directory)/pairs.jsonl}]
    val_set_size: 2
    micro_batch_size: 2
    max_steps: 5
    eval_steps: 2
    save_steps: 2
    learning_rate: 1e-2
    ref_log_probs_cache: \(output)/references
    output_dir: \(output)/run
    """
  }

  private func metrics(_ path: String) throws -> [Point] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").flatMap { line in
      let value = try JSONValue.parse(String(line))
      let step = try value["step"]?.int.required("step")
      return try (value.members ?? []).filter { $0.name != "step" }.map {
        Point(step: try step.required("step"), tag: $0.name, value: Float(try $0.value.double.required($0.name)))
      }
    }
  }

  /// The points that TensorBoard reads from files. A start voids its first step and later steps in the files before it.
  private func points(_ files: [[EventFileEntry]]) throws -> [Point] {
    var points: [Point] = []
    for entries in files {
      #expect(entries.first?.content == .version("brain.Event:2"))
      for entry in entries.dropFirst() {
        switch entry.content {
        case .version: Issue.record("a second version")
        case .start: points.removeAll { $0.step >= entry.step }
        case .scalars(let scalars):
          points += scalars.map { Point(step: entry.step, tag: $0.tag, value: $0.value) }
        }
      }
    }
    return points
  }

  @Test func `events are the metrics`() throws {
    let directory = try TemporaryDirectory()
    let (file, run) = (directory.path("run.yaml"), directory.path("run"))
    try directory.write("run.yaml", configuration(output: directory.path))
    func files() throws -> [[EventFileEntry]] {
      try directory.names("run/tensorboard").map { try EventFileEntry.entries(of: "\(run)/tensorboard/\($0)") }
    }

    #expect(try train([file]) == 0)
    var expected = try metrics("\(run)/metrics.jsonl")
    #expect(expected.filter { $0.tag == "loss" }.map(\.step) == [1, 2, 3, 4, 5])
    #expect(expected.filter { $0.tag == "eval_loss" }.map(\.step) == [0, 2, 4, 5])
    #expect(try points(files()) == expected)

    #expect(try train([file, "--resume", "\(run)/checkpoint-2"]) == 0)
    expected = try metrics("\(run)/metrics.jsonl")
    let resumed = try files()
    #expect(resumed.count == 2)
    // The evaluation after the checkpoint is repeated, with the step's training entries.
    #expect(resumed.last?.dropFirst().first?.step == 2)
    #expect(try points(resumed) == expected)
    #expect(expected.filter { $0.tag == "eval_loss" }.map(\.step) == [0, 2, 4, 5])

    // A finished run writes nothing. A new run has only its own file.
    #expect(try train([file]) == 0)
    #expect(try files() == resumed)
    #expect(try train([file, "--overwrite"]) == 0)
    #expect(try files().count == 1)
    #expect(try points(files()) == metrics("\(run)/metrics.jsonl"))
  }
}
