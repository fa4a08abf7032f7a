// Parsers that take paths: each input becomes a file in a directory in memory, beside the valid files it belongs to.

import Checkpoints
import Corpus
import Foundation
import Glibc
import Model
import Tensors
import TestSupport
import Training

/// Files for the parsers that map their input.
///
/// If several files belong together, the first byte of an input selects which file it is.
final class FileParsers: Sendable {
  static let shared: FileParsers = {
    do { return try FileParsers() } catch { preconditionFailure("\(error)") }
  }()

  let root: String
  private let tokenizer: Tokenizer
  let encoder: ExampleEncoder
  private let adapter: Adapter
  private let form: PolicyForm
  private let policy: PolicyState
  /// The valid checkpoint's files, and those of a partial step after it.
  private let checkpointFiles: [String: [UInt8]]
  private let partialFiles: [String: [UInt8]]
  private let cacheName: String
  /// The file of the examples of `examples.jsonl`, and its content.
  let examplesName: String
  let examplesFile: [UInt8]

  private init() throws {
    root = "/dev/shm/shoal-fuzz-\(getpid())"
    for name in ["shards", "tokenizer", "cache"] {
      try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
    }
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      try FileManager.default.copyItem(atPath: "\(TinyModel.directory)/\(name)", toPath: "\(root)/tokenizer/\(name)")
    }
    tokenizer = try Tokenizer(directory: TinyModel.directory)
    encoder = ExampleEncoder(tokenizer: tokenizer, template: .qwen2)
    let configuration = AdapterConfiguration(rank: 1, alpha: 2, dropout: 0, modules: [.query], baseModel: nil)
    adapter = Adapter(layout: AdapterLayout(configuration, model: TinyModel.configuration))
    form = .adapter(configuration)
    policy = PolicyState(
      LanguageModel(randomWeightsOf: TinyModel.configuration), PolicyLayout(adapter.layout), values: adapter.weights,
      moments: OptimizerMoments(count: adapter.layout.count, .adamW))
    let inference = try InferenceFiles(adapter: nil, base: TinyModel.directory)
    try AdapterDirectory.write(adapter, configuration, inference, to: "\(root)/adapter")
    let state = TrainerState(step: 3, epoch: 0.5, tokens: 77, inputs: ["model": "m"], run: "r")
    try Checkpoint.write(state, policy, form, inference, to: "\(root)/checkpoint")
    checkpointFiles = try Self.files(in: "\(root)/checkpoint")
    let partial = PartialWork(kind: .step, step: 4, done: 1, seconds: 2.5)
    var sums = Self.partialSums
    try sums.withUnsafeMutableBufferPointer { [root] in try partial.write([$0], state, to: "\(root)/partial") }
    partialFiles = try Self.files(in: "\(root)/partial")
    var cache = ReferenceCache(directory: "\(root)/cache", modelHash: "model")
    try cache.save()
    cacheName = try FileManager.default.contentsOfDirectory(atPath: "\(root)/cache")[0]
    try AtomicFile.write(String(repeating: Self.record, count: 3), to: "\(root)/examples.jsonl")
    _ = try Self.examples(root, encoder)
    let examples = try Self.files(in: "\(root)/store")
    (examplesName, examplesFile) = examples.first.map { ($0.key, $0.value) } ?? ("", [])
    for (number, name) in ["a", "b"].enumerated() {
      try AtomicFile.write(to: "\(root)/shards/\(Self.shards[number])") {
        try SafetensorsWriter.write(
          [
            OutgoingTensor(name: name, type: .uint8, shape: [2]) { try [UInt8](arrayLiteral: 1, 2).withUnsafeBytes($0) }
          ],
          to: $0)
      }
    }
    try write(Array(Self.index.utf8), "shards/\(HubWeights.indexName)")
  }

  private static let partialSums: [Int64] = [1, -2, 3, 4]

  static func files(in path: String) throws -> [String: [UInt8]] {
    try FileManager.default.contentsOfDirectory(atPath: path).reduce(into: [:]) { files, name in
      files[name] = Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
    }
  }

  private static let shards = ["model-1.safetensors", "model-2.safetensors"]
  private static let index = #"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#

  func path(_ name: String) -> String { "\(root)/\(name)" }

  /// Replaces the whole content of a file by `bytes`.
  func write(_ bytes: some ContiguousBytes, _ name: String) throws {
    try bytes.withUnsafeBytes { bytes in
      let descriptor = open(path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
      defer { close(descriptor) }
      guard Glibc.write(descriptor, bytes.baseAddress, bytes.count) == bytes.count else {
        throw CocoaError(.fileWriteUnknown)
      }
    }
  }

  /// An input's first byte, modulo the number of files, and the rest.
  func split(_ bytes: UnsafeRawBufferPointer, among count: Int) -> (choice: Int, content: [UInt8])? {
    bytes.first.map { (Int($0) % count, Array(bytes.dropFirst())) }
  }

  // MARK: Models

  func safetensors(_ bytes: UnsafeRawBufferPointer) throws {
    try write(bytes, "file.safetensors")
    let file = try SafetensorsFile(path: path("file.safetensors"))
    for name in file.names {
      // Every tensor byte must be inside the file.
      _ = file.tensors[name].map { file.bytes(of: $0).reduce(0, &+) }
    }
  }

  func shards(_ bytes: UnsafeRawBufferPointer) throws {
    guard let (choice, content) = split(bytes, among: 2) else { return }
    let (changed, sound) = (choice == 0 ? HubWeights.indexName : Self.shards[0], "shards")
    let before = try Data(contentsOf: URL(fileURLWithPath: path("\(sound)/\(changed)")))
    try write(content, "\(sound)/\(changed)")
    defer { try? write(before, "\(sound)/\(changed)") }
    let weights = try HubWeights(directory: path(sound))
    for name in weights.names { _ = weights[name].map { $0.bytes.reduce(0, &+) } }
    precondition(weights.files.allSatisfy { $0.path.hasPrefix("\(path(sound))/model-") }, "a name left the directory")
  }

  func tokenizer(_ bytes: UnsafeRawBufferPointer) throws {
    guard let (choice, content) = split(bytes, among: 4) else { return }
    if choice == 3 {
      let ids = tokenizer.encode(String(decoding: content, as: UTF8.self), allowSpecial: true)
      _ = tokenizer.decode(ids)
      return
    }
    let name = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"][choice]
    let before = try? Data(contentsOf: URL(fileURLWithPath: path("tokenizer/\(name)")))
    try write(content, "tokenizer/\(name)")
    defer {
      if let before { try? write(before, "tokenizer/\(name)") } else { unlink(path("tokenizer/\(name)")) }
    }
    let tokenizer = try Tokenizer(directory: path("tokenizer"))
    // The first text of a tokenizer costs a cache of megabytes, so encode only if tokenizer.json changed.
    guard choice == 0 else {
      _ = try ChatTemplate(directory: path("tokenizer"), tokenizer: tokenizer)
      return
    }
    _ = tokenizer.decode(tokenizer.encode("Hello <|im_start|> wörld 123\n\n e\u{301}", allowSpecial: true))
  }

  func adapter(_ bytes: UnsafeRawBufferPointer) throws {
    guard let (choice, content) = split(bytes, among: 2) else { return }
    let name = [AdapterDirectory.configurationName, AdapterDirectory.weightsName][choice]
    try write(content, "adapter/\(name)")
    defer { try? checkpointFiles[name].map { try write($0, "adapter/\(name)") } }
    let directory = try AdapterDirectory(path("adapter"), model: TinyModel.configuration)
    _ = try Adapter(directory, model: TinyModel.configuration)
  }

  // MARK: Data

  private static let ownFormat = [
    "field_prompt": "q", "field_instruction": "q", "field_output": "a", "field_chosen": "a", "field_rejected": "b",
    "field_completion": "a", "prompt_format": "<|im_start|>{system}{{{prompt}", "chosen_format": "{chosen}<|im_end|>",
  ]

  private static let markedFields = {
    var fields = RecordFields()
    (fields.training, fields.trainingDetail, fields.splitsThinking) = ("train", "detail", true)
    (fields.turns.roles, fields.turns.endOfSequence, fields.turns.endOfTurn) = ([], .all, .last)
    return fields
  }()

  /// JSON lines with every type and for every objective, up to tokens.
  func records(_ bytes: UnsafeRawBufferPointer) throws {
    try write(bytes, "records.jsonl")
    let reader = try RecordReader(path: path("records.jsonl"))
    let limit = LengthLimit(sequenceLength: 24)
    for index in 0..<min(reader.count, 4) {
      guard let value = try? reader.record(index) else { continue }
      // Styles of one type differ in their texts alone.
      let named = DatasetType.all.filter { !$0.name.contains(":") }
      for type in [nil, .own(try OwnFormat(Self.ownFormat))] + named.map(Optional.some) {
        let fields = type == .chatTemplate ? Self.markedFields : RecordFields()
        for kind in [ExampleKind?.none, .pair, .labelled, .completion] {
          guard let records = try? ExampleRecord.read(value, type: type, kind: kind, fields: fields) else { continue }
          for (record, parses) in records.flatMap({ [($0, false), ($0, true)] }) {
            let encoder = encoder.parsingSpecialTokens(parses)
            guard let encoded = try? encoder.encode(record, index: index) else { continue }
            precondition(encoded.tree.isWellFormed, "the example is not well formed")
            if case .pieces(let trees)? = try? limit.applied(to: encoded) {
              precondition(trees.allSatisfy(\.isWellFormed), "a piece is not well formed")
            }
          }
        }
      }
    }
    _ = try reader.record(reader.count - 1)
  }

  func gzip(_ bytes: UnsafeRawBufferPointer) throws {
    try write(bytes, "records.jsonl.gz")
    let reader = try RecordReader(path: path("records.jsonl.gz"))
    _ = try reader.record(0)
  }

  // MARK: Runs and caches

  /// Raw, or with the correct key and checksum of the content: otherwise the checksum would stop the fuzzer.
  func referenceCache(_ bytes: UnsafeRawBufferPointer) throws {
    guard let (choice, raw) = split(bytes, among: 2) else { return }
    var content = raw
    let name = "cache/\(cacheName)"
    try write(content, name)
    if choice == 1, let file = try? SafetensorsFile(path: path(name)) {
      let sealed = ["digests", "sums"].compactMap { file.tensors[$0] }.flatMap { Array(file.bytes(of: $0)) }
      Self.replace(after: #""key":""#, by: String(cacheName.prefix(64)), in: &content)
      Self.replace(after: #""sha256":""#, by: ContentHash.sha256(of: sealed), in: &content)
      try write(content, name)
    }
    let cache = ReferenceCache(directory: path("cache"), modelHash: "model")
    _ = cache.sums(of: ExampleTree(index: 0, prompt: [1], completions: [[2]]))
  }

  private static func replace(after mark: String, by text: String, in bytes: inout [UInt8]) {
    guard let place = bytes.firstRange(of: Array(mark.utf8))?.upperBound, place + text.utf8.count <= bytes.count
    else { return }
    bytes.replaceSubrange(place..<place + text.utf8.count, with: text.utf8)
  }

  /// Raw, or with the correct checksum of the content.
  func quantizedBase(_ bytes: UnsafeRawBufferPointer) throws {
    guard let (choice, raw) = split(bytes, among: 2) else { return }
    var content = raw
    let name = "base.safetensors"
    try write(content, name)
    if choice == 1, let file = try? SafetensorsFile(path: path(name)), let checksum = file.tensors["sha256"],
      checksum.range.count == 32
    {
      let sealed = file.names.filter { $0 != "sha256" }.flatMap { name in
        Array("\(name)\n".utf8) + (file.tensors[name].map { Array(file.bytes(of: $0)) } ?? [])
      }
      let digits = Array(ContentHash.sha256(of: sealed))
      for place in 0..<32 {
        content[checksum.range.lowerBound + place] = UInt8(String(digits[2 * place...2 * place + 1]), radix: 16) ?? 0
      }
      try write(content, name)
    }
    _ = NF4File.opened(path(name), key: "key", Self.quantizedShape)
  }

  /// A model whose NF4 file has a few kilobytes.
  private static let quantizedShape = ModelConfiguration(
    hiddenSize: 64, feedForwardSize: 64, layerCount: 1, headCount: 1, keyValueHeadCount: 1, headWidth: 2,
    vocabularySize: 8, normEpsilon: 1e-6, ropeTheta: 1e4, tiesEmbeddings: true, maximumPositions: 8,
    beginOfSequence: nil, endOfSequence: [], storedType: nil)

  func checkpoint(_ bytes: UnsafeRawBufferPointer) throws {
    try withChanged(bytes, in: "checkpoint", checkpointFiles) { path in
      let state = try Checkpoint.state(of: path)
      var best = state.best
      best.take(BestModel.Evaluation(step: 1, value: 1), checkpoint: "checkpoint-1")
      _ = state.tokens + 1
      try Checkpoint.read(path, form, into: policy)
    }
  }

  func partialWork(_ bytes: UnsafeRawBufferPointer) throws {
    try withChanged(bytes, in: "partial", partialFiles) { path in
      let (partial, _) = try PartialWork.state(of: path)
      precondition(PartialWork(name: partial.name)?.base == partial.base, "a name does not read as it was written")
      var sums = Self.partialSums
      try sums.withUnsafeMutableBufferPointer { try PartialWork.read(path, into: [$0]) }
    }
  }

  /// Changes the manifest, or another file together with a correct manifest, since wrong hashes would stop the fuzzer.
  private func withChanged(
    _ bytes: UnsafeRawBufferPointer, in directory: String, _ sound: [String: [UInt8]], read: (String) throws -> Void
  ) throws {
    let names = sound.keys.sorted()
    guard let (choice, content) = split(bytes, among: names.count) else { return }
    let name = names[choice]
    var changed = [name: content]
    if name != "manifest.json" { changed["manifest.json"] = Self.manifest(of: sound.merging(changed) { $1 }) }
    defer { for name in changed.keys { try? sound[name].map { try write($0, "\(directory)/\(name)") } } }
    for (name, content) in changed { try write(content, "\(directory)/\(name)") }
    try read(path(directory))
  }

  private static func manifest(of files: [String: [UInt8]]) -> [UInt8] {
    let members = files.filter { $0.key != "manifest.json" }.sorted { $0.key < $1.key }.map { name, bytes in
      JSONValue.Member(name, ["bytes": .integer(Int64(bytes.count)), "sha256": .string(ContentHash.sha256(of: bytes))])
    }
    let json: JSONValue = ["version": 1, "files": .object(members)]
    return Array((json.serialized(indent: 2) + "\n").utf8)
  }
}
