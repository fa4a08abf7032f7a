// What at the top of an output directory is proven to be Shoal's, by its run.json and its config.yaml.

import Checkpoints
import Corpus
import Evaluation
import Model
import Runtime

/// The files of a run's directory that Shoal may replace or remove. Directories of checkpoints, event files and crash
/// reports prove themselves.
struct RunProof {
  /// Names of the files that the run wrote or may have written.
  let names: Set<String>
  /// The process numbers of the run's starts, for the names of their temporary files; nil if they are not known.
  let processes: Set<Int>?
  /// The hashes of the final adapter's files, as far as the run has come.
  let adapter: [JSONValue.Member]
  private let files: RunDirectory

  /// The adapter and what says how it was trained are not proven by their names: others of these names are likely.
  private static let finalNames = Set(RunDirectory.finalNames)

  /// Reads run.json, and config.yaml for the case that run.json is damaged or lost: no other program writes its
  /// canonical text, into no other place.
  init(_ files: RunDirectory) {
    self.files = files
    let record = try? files.record()
    let isOwn = record?["shoal"]?["version"]?.string != nil
    let configuration = files.canonicalConfiguration
    var names: Set<String> = []
    if let configuration { names.formUnion(RunDirectory.fileNames(configuration, debugs: false)) }
    if let record, isOwn {
      // Version 0.1.0 did not list them.
      let listed = record[RunRecord.fileNames]?.array.map { $0.compactMap(\.string) }
      names.formUnion(listed ?? RunDirectory.fileNames(nil, debugs: true))
    }
    self.names = names
    processes = isOwn ? (record?[RunRecord.processes]?.array).map { Set($0.compactMap(\.int)) } : nil
    adapter = (isOwn ? record?[RunRecord.finalHashes]?.members : nil) ?? []
  }

  /// Whether the directory is that of a run of Shoal's.
  var isRun: Bool { !names.isEmpty }

  func isOwn(_ name: String) -> Bool {
    let path = "\(files.path)/\(name)"
    guard names.contains(name), EntryKind(path) == .file else { return false }
    guard Self.finalNames.contains(name) else { return true }
    guard let hash = adapter.first(where: { $0.name == name })?.value.string else { return false }
    return (try? ContentHash(cacheDirectory: nil).sha256(ofFile: path)) == hash
  }

  /// Whether a start of the run had this process number, which temporary names end with.
  func isLeftover(process: Int) -> Bool { isRun && processes?.contains(process) ?? true }
}

extension RunDirectory {
  /// What the debug mode writes: norms, and the first gradient.
  static let debugFileNames = ["debug.jsonl", "gradients.safetensors"]

  /// Which records were left out, with `skip_bad_records`.
  static let skippedRecordsName = "skipped_records.jsonl"

  /// What a run ends with.
  static let finalNames =
    PolicyForm.allNames + InferenceFiles.namesWithTokenizer

  /// The names of the files that a run writes at the top of its directory; nil: that any run writes.
  static func fileNames(_ configuration: RunConfiguration?, debugs: Bool) -> [String] {
    ["config.yaml", "run.json", LineFile.metrics.rawValue]
      + (configuration?.sampleDocuments == 0 ? [] : [LineFile.samples.rawValue])
      + (configuration?.skipBadRecords == 0 ? [] : [skippedRecordsName])
      + finalNames + (debugs ? debugFileNames : [])
  }

  /// The configuration in the directory, if its file has, byte for byte, the text that a run writes.
  var canonicalConfiguration: RunConfiguration? {
    guard EntryKind(configurationPath) == .file, let configuration = try? configuration(),
      let bytes = try? bytes(of: configurationPath), configuration.resolvedYAML.utf8.elementsEqual(bytes)
    else { return nil }
    return configuration
  }

  /// Whether there is a run of Shoal's, or a checkpoint of one.
  func holdsRun(_ proof: RunProof) -> Bool {
    proof.isRun || checkpointNames.contains { Checkpoint.isOwn("\(path)/\($0.name)") }
  }

  /// Requires that the run replaces nothing that is not proven to be Shoal's.
  /// - Parameter names: the files that it writes. In a run's directory it passes by strays among the checkpoints.
  /// - Throws: `RunRefusal.othersFiles`.
  func requireOwn(_ names: [String]) throws {
    let proof = RunProof(self)
    var others = names.filter { entryExists("\(path)/\($0)") && !proof.isOwn($0) }
    if let kind = EntryKind(eventsPath), kind != .directory { others.append("tensorboard") }
    if !holdsRun(proof) { others += checkpointNames.map(\.name).filter { !Checkpoint.isOwn("\(path)/\($0)") } }
    guard others.isEmpty else { throw RunRefusal.othersFiles(path: path, names: others) }
  }

  /// Whether a file is a complete crash report.
  static func isOwnCrashReport(_ path: String) -> Bool {
    guard EntryKind(path) == .file, let json = try? JSONValue.read(file: path) else { return false }
    return json["rank"]?.int != nil && json["data"]?.string != nil && json["signal"] != nil
      && json["records"].flatMap(Quarantine.init) != nil
  }

  /// Requires that no input is what the run replaces or removes.
  /// - Throws: `RunRefusal.holdsInput`.
  func requireApart(from inputs: [InputPath]) throws {
    let written = Self.fileNames(nil, debugs: true)
    for input in inputs {
      let top = resolvedPath(input.path).flatMap { relativePath($0, in: path) }?.split(separator: "/").first
      let isTaken = top.map { name in
        written.contains(String(name)) || Self.isCheckpoint(String(name)) || Self.isCrashReport(String(name))
          || name == "tensorboard"
      }
      guard isTaken != true, !written.contains(where: { isSameFile("\(path)/\($0)", input.path) }) else {
        throw RunRefusal.holdsInput(path: path, input: input.path, option: input.option)
      }
    }
  }

  /// Requires that the configuration that was given is not replaced by another text.
  /// - Throws: `RunRefusal.holdsInput`.
  func requireKept(configuration given: String) throws {
    guard !isSameFile(given, configurationPath) || canonicalConfiguration == nil else { return }
    try requireApart(from: [InputPath(given, "the command")])
  }
}

extension RunConfiguration {
  private var templateFile: String? { if case .file(let path) = chatTemplate { path } else { nil } }

  /// What a run reads.
  var inputs: [InputPath] {
    func paths(_ sources: [Dataset.Source], _ key: String) -> [InputPath] {
      sources.enumerated().flatMap { index, source in source.paths.map { InputPath($0, "\(key).\(index).path") } }
    }
    return InputPath.model(baseModel, revision: baseRevision, "base_model")
      + (startingAdapter.map { InputPath.model($0, "lora_model_dir") } ?? [])
      + paths(datasets, "datasets") + paths(testDatasets, "test_datasets")
      + evaluationTasks.flatMap(\.paths).map { InputPath($0, "eval_tasks") }
      + [
        (referenceLogProbsCache, "ref_log_probs_cache"), (templateFile, "chat_template"),
        (preparedPath, "dataset_prepared_path"),
      ]
      .compactMap { path, key in path.map { InputPath($0, key) } }
  }
}
