// Saves an unfinished step or evaluation: the exact sums of its finished micro-batches. Integer sums do not depend on
// the order, so another process, on other ranks, can do the rest and get the same bits.

import Checkpoints
import Glibc
import Model
import Runtime
import Tensors

/// The content of a `partial-…` directory. It builds on the checkpoint beside it.
package struct PartialWork: Sendable, Equatable, Codable {
  package enum Kind: String, Sendable, Codable {
    /// Scores of held-out examples after a step.
    case evaluation
    /// Gradient sums of the step that follows the checkpoint.
    case step
  }

  package var kind: Kind
  /// The step that is evaluated or unfinished.
  package var step: Int
  /// The finished part, in examples.
  package var done: Int
  /// The time spent so far.
  package var seconds: Double

  package init(kind: Kind, step: Int, done: Int, seconds: Double) {
    (self.kind, self.step, self.done, self.seconds) = (kind, step, done, seconds)
  }

  /// The step of the checkpoint that it builds on.
  package var base: Int { kind == .step ? step - 1 : step }

  /// For example `partial-13-step-7`: 7 examples of step 13.
  package var name: String { "partial-\(step)-\(kind.rawValue)-\(done)" }

  /// Parses a directory's name; nil for other names.
  package init?(name: String) {
    guard let match = name.wholeMatch(of: /partial-([0-9]{1,15})-(evaluation|step)-([0-9]{1,15})/),
      let step = Int(match.1), let kind = Kind(rawValue: String(match.2)), let done = Int(match.3),
      kind == .evaluation || step > 0
    else { return nil }
    self.init(kind: kind, step: step, done: done, seconds: 0)
  }

  /// Whether it is further than another partial work on the same base.
  package func exceeds(_ other: PartialWork) -> Bool { kind == other.kind ? done > other.done : kind == .step }

  static let sumsName = "sums.safetensors"
  static let fileNames = [sumsName, Checkpoint.stateName, manifestName]
  private static let tensorName = "sums"

  /// Writes the directory completely or not at all.
  /// - Parameters:
  ///   - sums: in one or more pieces.
  ///   - state: the state of the checkpoint below it, updated by the evaluation after that checkpoint.
  /// - Throws: `WriteError`.
  package func write(_ sums: [UnsafeMutableBufferPointer<Int64>], _ state: TrainerState, to path: String) throws {
    let count = sums.reduce(0) { $0 + $1.count }
    try AtomicDirectory.write(to: path, neededBytes: 8 * count + (1 << 20)) { directory in
      try directory.file(Self.sumsName) {
        let tensor = OutgoingTensor(name: Self.tensorName, type: .int64, shape: [count]) { emit in
          for piece in sums { try emit(UnsafeRawBufferPointer(piece)) }
        }
        try SafetensorsWriter.write([tensor], to: $0)
      }
      var members = state.json.members ?? []
      members.append(
        .init(
          "partial",
          .object([
            .init("kind", .string(kind.rawValue)), .init("step", .integer(Int64(step))),
            .init("examples_done", .integer(Int64(done))), .init("seconds", .number(seconds)),
          ])))
      try directory.file(Checkpoint.stateName, text: JSONValue.object(members).serialized(indent: 2) + "\n")
    }
  }

  /// Verifies every byte of a directory and reads its description and state.
  /// - Throws: `FileError`; `ContentError` that names the damage.
  package static func state(of path: String) throws -> (PartialWork, TrainerState) {
    _ = try VerifiedDirectory(path, allowsOthers: true)
    let statePath = "\(path)/\(Checkpoint.stateName)"
    let json = try JSONValue.read(file: statePath)
    let state = try TrainerState(json: json, path: statePath)
    guard let found = json["partial"], let kind = found["kind"]?.string.flatMap(Kind.init(rawValue:)),
      let step = found["step"]?.int, let done = found["examples_done"]?.int, let seconds = found["seconds"]?.double,
      // As many digits as a name allows.
      0..<1_000_000_000_000_000 ~= done, 0..<1_000_000_000_000_000 ~= step, seconds >= 0
    else {
      throw ContentError(
        statePath, "is not of a step under way", expected: "partial: kind, step, examples_done, seconds")
    }
    let partial = PartialWork(kind: kind, step: step, done: done, seconds: seconds)
    guard partial.base == state.step else {
      throw ContentError(statePath, "builds on step \(partial.base) and on step \(state.step)", expected: "one of them")
    }
    return (partial, state)
  }

  /// Fills `sums` from a verified directory.
  /// - Throws: `FileError`; `ContentError` when the number of sums differs.
  package static func read(_ path: String, into sums: [UnsafeMutableBufferPointer<Int64>]) throws {
    let count = sums.reduce(0) { $0 + $1.count }
    let file = try SafetensorsFile(path: "\(path)/\(sumsName)")
    guard let tensor = file.tensors[tensorName], tensor.type == .int64, tensor.shape == [count] else {
      throw ContentError(
        file.path, "does not hold the sums of this run", expected: "\(count) numbers named \(tensorName)")
    }
    var rest = file.bytes(of: tensor)[...]
    for piece in sums {
      UnsafeMutableRawBufferPointer(piece).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: rest.prefix(8 * piece.count)))
      rest = rest.dropFirst(8 * piece.count)
    }
  }
}
