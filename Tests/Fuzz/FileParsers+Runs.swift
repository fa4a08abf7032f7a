// Files of runs and caches: checkpoints, the sums of unfinished steps, and what is made once and kept.

import Checkpoints
import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Training

extension FileParsers {
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

  func quantizedBase(_ bytes: UnsafeRawBufferPointer) throws {
    guard let path = try sealed(bytes, "base.safetensors") else { return }
    for form in WeightStorage.allCases.compactMap(\.form) {
      _ = QuantizedFile.opened(path, as: form, key: "key", Self.quantizedShape)
    }
  }

  func drawnWeights(_ bytes: UnsafeRawBufferPointer) throws {
    guard let path = try sealed(bytes, "drawn.safetensors") else { return }
    guard let weights = DrawnWeights.opened(path, key: "key", model.layout.configuration) else { return }
    for name in weights.names { _ = weights[name].map { $0.bytes.reduce(0, &+) } }
  }

  /// Writes an input as a file of a cache, raw or with the correct checksum of the content.
  private func sealed(_ bytes: UnsafeRawBufferPointer, _ name: String) throws -> String? {
    guard let (choice, raw) = split(bytes, among: 2) else { return nil }
    var content = raw
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
    return path(name)
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

  /// A checkpoint of all weights, to go on from and as a model.
  func modelCheckpoint(_ bytes: UnsafeRawBufferPointer) throws {
    try withChanged(bytes, in: "model-checkpoint", modelFiles) { path in
      let outcome = Result {
        _ = try Checkpoint.state(of: path)
        try Checkpoint.read(path, modelForm, into: model)
      }
      let directory = try ModelDirectory(path)
      let loaded = LanguageModel(directory)
      _ = loaded.embedding.widened().elements.reduce(0, +)
      for layer in loaded.layers {
        for module in LinearModule.allCases { _ = layer.weight(module).widened().elements.reduce(0, +) }
      }
      try outcome.get()
    }
  }

  /// A tiny model with its trained copy.
  static func trainedModel(_ base: String) throws -> (PolicyForm, PolicyState) {
    try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true)
    try AtomicFile.write(baseConfiguration, to: "\(base)/config.json")
    let configuration = try ModelConfiguration(directory: base)
    let names = WeightName.all(configuration)
    try AtomicFile.write(to: "\(base)/\(HubWeights.singleName)") { file in
      let tensors = names.map { name in
        let shape = name.shape(configuration)
        return OutgoingTensor(name: name.hubName, type: .float32, shape: shape) { emit in
          try [Float](repeating: 1, count: shape.reduce(1, *)).withUnsafeBytes(emit)
        }
      }
      try SafetensorsWriter.write(tensors, to: file)
    }
    let directory = try ModelDirectory(base)
    let layout = PolicyLayout(configuration, weights: names)
    let values = Storage(count: layout.count)
    let model = LanguageModel(directory)
    layout.fill(values, from: model, ThreadPool(threads: 1))
    return (
      .model(directory, final: .bfloat16),
      PolicyState(
        model, layout, values: values, moments: OptimizerMoments(count: layout.count, .adamW))
    )
  }

  private static let baseConfiguration = """
    {"model_type":"qwen2","hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":1,\
    "num_key_value_heads":1,"vocab_size":8,"rms_norm_eps":1e-6,"rope_theta":10000.0,"tie_word_embeddings":true,\
    "max_position_embeddings":8,"torch_dtype":"float32"}
    """

  static let partialSums: [Int64] = [1, -2, 3, 4]

  /// As sums lie whose gradient is shared.
  static func pieces(of sums: UnsafeMutableBufferPointer<Int64>) -> [UnsafeMutableBufferPointer<Int64>] {
    [.init(rebasing: sums[..<3]), .init(rebasing: sums[3...])]
  }

  func partialWork(_ bytes: UnsafeRawBufferPointer) throws {
    try withChanged(bytes, in: "partial", partialFiles) { path in
      let (partial, _) = try PartialWork.state(of: path)
      precondition(PartialWork(name: partial.name)?.base == partial.base, "a name does not read as it was written")
      var sums = Self.partialSums
      try sums.withUnsafeMutableBufferPointer { try PartialWork.read(path, into: Self.pieces(of: $0)) }
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
