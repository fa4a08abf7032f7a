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
  let tokenizer: Tokenizer
  let encoder: ExampleEncoder
  private let adapter: Adapter
  let form: PolicyForm
  let policy: PolicyState
  /// The valid checkpoint's files, and those of a partial step after it.
  let checkpointFiles: [String: [UInt8]]
  let partialFiles: [String: [UInt8]]
  /// A run that trains all weights of `base`.
  let modelForm: PolicyForm
  let model: PolicyState
  let modelFiles: [String: [UInt8]]
  let cacheName: String
  /// The file of the examples of `examples.jsonl`, and its content.
  let examplesName: String
  let examplesFile: [UInt8]

  private init() throws {
    root = "/dev/shm/shoal-fuzz-\(getpid())"
    for name in ["shards", "tokenizer", "cache", "task"] {
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
    try sums.withUnsafeMutableBufferPointer { [root] in
      try partial.write(Self.pieces(of: $0), state, to: "\(root)/partial")
    }
    partialFiles = try Self.files(in: "\(root)/partial")
    (modelForm, model) = try Self.trainedModel("\(root)/base")
    try Checkpoint.write(
      state, model, modelForm, InferenceFiles(adapter: nil, base: "\(root)/base"), to: "\(root)/model-checkpoint")
    modelFiles = try Self.files(in: "\(root)/model-checkpoint")
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
    try write(Array(Self.taskDocuments.utf8), "task/documents.jsonl")
  }

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
}
