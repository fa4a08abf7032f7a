// A checkpoint: everything that a run needs to continue as if it had never stopped.

import Checkpoints
package import Model
package import Tensors

/// Writes and reads `checkpoint-N` directories.
package enum Checkpoint {
  static let stateName = "trainer_state.json"
  private static let optimizerName = "optimizer.safetensors"
  /// Of the moments' tensors.
  private static let prefixes = ["exp_avg.", "exp_avg_sq."]

  /// The files of a checkpoint.
  static let fileNames =
    PolicyForm.allNames + [optimizerName, stateName, manifestName] + InferenceFiles.namesWithTokenizer

  /// The run that wrote a checkpoint or a partial work, according to its state file. Verifies nothing.
  static func writer(of path: String) -> String? { unverifiedState(of: path)?.run }

  /// What the state file of a checkpoint or a partial work says, if it can be read.
  static func unverifiedState(of path: String) -> TrainerState? {
    let statePath = "\(path)/\(stateName)"
    return try? TrainerState(json: JSONValue.read(file: statePath), path: statePath)
  }

  /// Whether `path` is a directory, no link, that Shoal wrote as a checkpoint or a partial work, by its manifest or, if
  /// that is damaged, by its state.
  static func isOwn(_ path: String) -> Bool {
    OwnedFiles.hasManifest(path, listing: stateName)
      || (EntryKind(path) == .directory && EntryKind("\(path)/\(stateName)") == .file && writer(of: path) != nil)
  }

  /// Writes a checkpoint completely or not at all.
  /// - Parameter policy: inside `lead` of its moments where they are divided.
  /// - Throws: `WriteError`; the directory's earlier checkpoints stay unchanged.
  package static func write(
    _ state: TrainerState, _ policy: PolicyState, _ form: PolicyForm, _ inference: InferenceFiles, to path: String
  ) throws {
    let layout = policy.layout.parameters
    let bytes = form.byteCount(policy.layout) + 4 * layout.count * policy.moments.arenas.count
    try AtomicDirectory.write(to: path, neededBytes: bytes) { directory in
      try form.write(policy, isFinal: false, directory.file)
      try form.writeBeside(inference, directory.file)
      try directory.file(optimizerName) { file in
        let moments = zip(prefixes, policy.moments.arenas.indices).flatMap { prefix, arena in
          policy.moments.tensors(of: arena, layout, prefix: prefix)
        }
        try SafetensorsWriter.write(moments, to: file)
      }
      try directory.file(stateName, text: state.json.serialized(indent: 2) + "\n")
    }
  }

  /// Verifies every byte of a checkpoint and reads its state. What others put beside its files does not matter.
  /// - Throws: `FileError`; `ContentError` that names the damage.
  package static func state(of path: String) throws -> TrainerState {
    _ = try VerifiedDirectory(path, allowsOthers: true)
    let statePath = "\(path)/\(stateName)"
    return try TrainerState(json: try JSONValue.read(file: statePath), path: statePath)
  }

  /// Fills the parameters' values, which are those of a policy, from a verified checkpoint.
  /// - Throws: `FileError`; `ContentError` when it belongs to another adapter or model.
  package static func readValues(
    _ path: String, _ form: PolicyForm, _ layout: PolicyLayout, into values: Storage, of policy: Policy
  ) throws {
    if let adapter = layout.adapter {
      let directory = try AdapterDirectory(path, model: layout.configuration)
      let found = PolicyLayout(directory.configuration, model: layout.configuration)
      guard found == layout.saved else {
        throw ContentError(
          path, "holds an adapter of \(found.adapter.map { "\($0)" } ?? "")", expected: "\(adapter.saved)")
      }
      if adapter.form == .relative { return try policy.take(directory, into: values) }
    }
    let weights = try SafetensorsFile(path: "\(path)/\(form.weightsName)")
    try layout.parameters.read(weights, prefix: "", into: values)
  }

  /// Fills values and moments of a state of which nothing is divided.
  package static func read(_ path: String, _ form: PolicyForm, into state: PolicyState) throws {
    try readValues(path, form, state.layout, into: state.values, of: state.policy)
    let moments = try Moments(path, state.layout.parameters, count: state.moments.arenas.count)
    for (arena, storage) in state.moments.arenas.enumerated() {
      moments.copy(0..<state.layout.count, of: arena, to: storage.base)
    }
  }

  /// The optimizer's state of a verified checkpoint.
  struct Moments {
    private let file: SafetensorsFile
    private let layout: ParameterLayout

    /// - Throws: `FileError`; `ContentError` when it belongs to other parameters.
    init(_ path: String, _ layout: ParameterLayout, count: Int) throws {
      file = try SafetensorsFile(path: "\(path)/\(optimizerName)")
      self.layout = layout
      for prefix in prefixes.prefix(count) { try layout.requireTensors(file, prefix: prefix) }
    }

    /// Copies a range of an arena.
    func copy(_ range: Range<Int>, of arena: Int, to numbers: UnsafeMutablePointer<Float>) {
      layout.copy(range, from: file, prefix: prefixes[arena], to: numbers)
    }
  }
}
