// A checkpoint: everything that a run needs to continue as if it had never stopped.

import Checkpoints
package import Model
import Tensors

/// Writes and reads `checkpoint-N` directories.
package enum Checkpoint {
  static let stateName = "trainer_state.json"
  private static let optimizerName = "optimizer.safetensors"
  private static let prefixes = (first: "exp_avg.", second: "exp_avg_sq.")

  /// The files of a checkpoint.
  static let fileNames =
    [AdapterDirectory.weightsName, AdapterDirectory.configurationName, optimizerName, stateName, manifestName]
    + InferenceFiles.names

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
  /// - Throws: `WriteError`; the directory's earlier checkpoints stay unchanged.
  package static func write(
    _ state: TrainerState, adapter: Adapter, _ configuration: AdapterConfiguration, moments: OptimizerMoments,
    _ inference: InferenceFiles, to path: String
  ) throws {
    let layout = adapter.layout.parameters
    try AtomicDirectory.write(to: path, neededBytes: 3 * 4 * layout.count + (1 << 20)) { directory in
      try directory.file(AdapterDirectory.weightsName) {
        try SafetensorsWriter.write(layout.tensors(of: adapter.weights), to: $0)
      }
      try directory.file(AdapterDirectory.configurationName, text: configuration.text)
      try inference.write(directory.file)
      try directory.file(optimizerName) {
        try SafetensorsWriter.write(
          layout.tensors(of: moments.first, prefix: prefixes.first)
            + (moments.second.map { layout.tensors(of: $0, prefix: prefixes.second) } ?? []), to: $0)
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

  /// Fills an adapter and its moments from a verified checkpoint.
  /// - Throws: `FileError`; `ContentError` when it belongs to another adapter.
  package static func read(_ path: String, into adapter: Adapter, moments: OptimizerMoments) throws {
    try readWeights(path, into: adapter)
    let optimizer = try SafetensorsFile(path: "\(path)/\(optimizerName)")
    let layout = adapter.layout.parameters
    try layout.read(optimizer, prefix: prefixes.first, into: moments.first)
    if let second = moments.second { try layout.read(optimizer, prefix: prefixes.second, into: second) }
  }

  /// The same without the moments.
  static func readWeights(_ path: String, into adapter: Adapter) throws {
    let directory = try AdapterDirectory(path, model: adapter.layout.configuration)
    let found = AdapterLayout(directory.configuration, model: adapter.layout.configuration)
    guard found == adapter.layout else {
      throw ContentError(
        path, "holds an adapter of \(found)", expected: "\(adapter.layout)")
    }
    let weights = try SafetensorsFile(path: "\(path)/\(AdapterDirectory.weightsName)")
    try adapter.layout.parameters.read(weights, prefix: "", into: adapter.weights)
  }
}
