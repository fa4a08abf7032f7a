// run.json: what a result depends on, and what was planned.

import Checkpoints
import Corpus
import Model
import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

enum RunRecord {
  static func json(
    _ configuration: RunConfiguration, build: BuildIdentity, inputs: [String: String], data: TrainingData,
    schedule: StepSchedule, ranks: Int, threads: Int
  ) -> JSONValue {
    .object([
      .init("state", "running"),
      .init(
        "shoal", .object([.init("version", .string(build.version)), .init("binary_sha256", .string(build.binary))])),
      .init(
        "machine",
        .object([
          .init("cpu", .string(processorName)), .init("vector_level", .string(Machine.vectorLevel)),
          .init("blas", .string(Machine.blasVersion)), .init("blas_core", .string(Machine.blasCore)),
        ])),
      .init("ranks", .integer(Int64(ranks))), .init("threads_per_rank", .integer(Int64(threads))),
      .init("inputs", .object(inputs.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })),
      .init("examples", examples(data)),
      .init(
        "plan",
        .object([
          .init("total_steps", .integer(Int64(schedule.totalSteps))),
          .init("steps_per_epoch", .integer(Int64(schedule.plan.stepsPerEpoch))),
          .init("examples_per_step", .integer(Int64(configuration.batchSize))),
        ])),
    ])
  }

  static func examples(_ data: TrainingData) -> JSONValue {
    .object([
      .init("records", .integer(Int64(data.report.records))), .init("kept", .integer(Int64(data.report.kept))),
      .init("truncated", .integer(Int64(data.report.truncated))),
      .init("dropped", .integer(Int64(data.report.dropped))),
      .init("training", .integer(Int64(data.training.count))), .init("held_out", .integer(Int64(data.heldOut.count))),
    ])
  }

  /// The record of a run that is done.
  static func finished(_ record: JSONValue) -> JSONValue {
    .object((record.members ?? []).map { $0.name == "state" ? .init("state", "finished") : $0 })
  }

  private static var processorName: String {
    let text = (try? ProcFile.text("/proc/cpuinfo")) ?? ""
    for line in text.split(separator: "\n") where line.hasPrefix("model name") {
      return line.split(separator: ":").last.map { $0.trimmingPrefix { $0 == " " } }.map(String.init) ?? "unknown"
    }
    return "unknown"
  }
}

/// Files of /proc, which have no size and cannot be mapped.
enum ProcFile {
  static func text(_ path: String) throws -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path: path, action: "open", code: errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }
}
