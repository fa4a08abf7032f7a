// run.json: the inputs that a result depends on, and the run's plan.

import Checkpoints
import Corpus
import Model
import Runtime
import Tensors

enum RunRecord {
  /// The hashes of the final adapter's files, from just before they are there.
  static let finalHashes = "adapter_sha256"

  /// Which files at the top of the directory are the run's, and the process numbers of its starts.
  static let (fileNames, processes) = ("files", "processes")
  /// Where a branch left its trunk.
  static let trunk = "trunk"
  /// What every record begins with.
  static let beginning = "{\n  \"state\": \""

  static func json(
    _ configuration: RunConfiguration, build: BuildIdentity, inputs: [String: String], data: TrainingData,
    schedule: StepSchedule, quarantine: Quarantine, trunk: JSONValue?, ranks: Int, threads: Int
  ) -> JSONValue {
    JSONValue.object([
      .init("state", "running"),
      .init(
        "shoal", .object([.init("version", .string(build.version)), .init("binary_sha256", .string(build.binary))])),
      .init(
        "machine",
        .object([
          .init("cpu", .string(Machine.processorName)), .init("vector_level", .string(VectorLevel.inUse.name)),
          .init("blas", .string(Machine.blasVersion)), .init("blas_core", .string(Machine.blasCore)),
        ])),
      .init("ranks", .integer(Int64(ranks))), .init("threads_per_rank", .integer(Int64(threads))),
      .init("inputs", .object(inputs.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })),
      .init("examples", examples(data)), .init("quarantined", quarantine.json),
      .init("plan", .object(steps(schedule, configuration))),
    ]).setting(Self.trunk, trunk)
  }

  /// How many steps there are, and what they are made of.
  static func steps(_ schedule: StepSchedule, _ configuration: RunConfiguration) -> [JSONValue.Member] {
    let counts: [JSONValue.Member] = [
      .init("total_steps", .integer(Int64(schedule.totalSteps))),
      .init("steps_per_epoch", .integer(Int64(schedule.plan.stepsPerEpoch))),
    ]
    guard let packed = schedule.plan.packedRows else {
      return counts + [.init("examples_per_step", .integer(Int64(configuration.batchSize)))]
    }
    return counts + [
      .init("rows_per_step", .integer(Int64(packed.rowsPerStep))),
      .init(
        "sample_packing",
        .object([
          .init("rows_per_epoch", .integer(Int64(packed.rows))),
          .init("tokens_per_row", .integer(Int64(packed.rowTokens))),
          .init("examples_per_epoch", .integer(Int64(packed.examples))),
          .init("tokens_per_epoch", .integer(Int64(packed.tokens))), .init("fill", .number(packed.fill)),
        ])),
    ]
  }

  static func examples(_ data: TrainingData) -> JSONValue {
    .object([
      .init("records", .integer(Int64(data.report.records))), .init("kept", .integer(Int64(data.report.kept))),
      .init("truncated", .integer(Int64(data.report.truncated))),
      .init("dropped", .integer(Int64(data.report.dropped))), .init("skipped", .integer(Int64(data.skipped.count))),
      .init(
        "equal_pairs", .integer(Int64(data.report.equalPairs + (data.heldOutReport?.equalPairs ?? 0)))),
      .init("training", .integer(Int64(data.training.count))), .init("held_out", .integer(Int64(data.heldOut.count))),
    ])
  }

  /// Says which files are the run's.
  static func claiming(_ record: JSONValue, names: Set<String>, processes: Set<Int>) -> JSONValue {
    record.setting(fileNames, .array(names.sorted().map { .string($0) }))
      .setting(Self.processes, .array(processes.sorted().map { .integer(Int64($0)) }))
  }

  /// Says which files are the run's final adapter; empty: none.
  static func claiming(_ record: JSONValue, adapter: [JSONValue.Member]) -> JSONValue {
    record.setting(finalHashes, adapter.isEmpty ? nil : .object(adapter))
  }

  /// Adds the memory plan and the time forecast to the record.
  static func planned(_ record: JSONValue, privateBytes: Int, seconds: JSONValue?) -> JSONValue {
    record.replacing("plan") { plan in
      .object(
        (plan.members ?? []) + [
          .init("private_bytes_per_rank", .integer(Int64(privateBytes))), .init("predicted_seconds", seconds ?? .null),
        ])
    }
  }

  /// The record of a finished run: its best state if there were evaluations, every rank's time by phase, and its problems.
  /// These are the skipped steps of the whole run, and the failed saves and lost lines since its last start.
  static func finished(
    _ record: JSONValue, best: BestOfRun?, seconds: [PhaseSeconds], skippedSteps: Int, failedSaves: Int, lostLines: Int
  ) -> JSONValue {
    let ranks = seconds.map { seconds in
      JSONValue.object(Phase.allCases.map { .init($0.name, .number(seconds[$0])) })
    }
    let done = record.replacing("state") { _ in "finished" }
    return .object(
      (done.members ?? []) + (best.map { [.init("best", $0.json)] } ?? []) + [
        .init("seconds_by_rank", .array(ranks)),
        .init("skipped_steps", .integer(Int64(skippedSteps))),
        .init("failed_saves", .integer(Int64(failedSaves))), .init("lost_lines", .integer(Int64(lostLines))),
      ])
  }
}

extension JSONValue {
  /// The object with one member added, replaced or, if the value is nil, left out.
  fileprivate func setting(_ name: String, _ value: JSONValue?) -> JSONValue {
    .object((members ?? []).filter { $0.name != name } + (value.map { [.init(name, $0)] } ?? []))
  }

  /// The object with one member's value replaced.
  fileprivate func replacing(_ name: String, _ change: (JSONValue) -> JSONValue) -> JSONValue {
    .object((members ?? []).map { $0.name == name ? .init(name, change($0.value)) : $0 })
  }
}
