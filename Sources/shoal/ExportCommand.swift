// `shoal export`: writes merged weights that other programs load.

import ArgumentParser
import Checkpoints
import Foundation
import Model
import Tensors

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Writes merged weights or an adapter in the ecosystem's formats.",
    discussion: """
      merged: a hub directory (weights, config.json, generation_config.json, tokenizer files) that transformers \
      loads; W + scale B A is added in fp32 and rounded once. adapter: a PEFT directory.

      An adapter of QLoRA was trained on weights rounded to NF4, and one with load_in_8bit on weights rounded to \
      int8, so there are two models to merge it into. --merge-into original adds it to the checkpoint's exact \
      weights: no rounding remains in the model, but the adapter also corrects one that is no longer there. \
      --merge-into dequantized adds it to the weights as that form has them (NF4, unless the adapter's training says \
      int8), the form's loss included: exactly the model that was trained, up to the one rounding to --dtype. Training in \
      int8 also rounds the layers' inputs, and the head, which no export does.

      manifest.json lists the written files with their hashes. It proves to --overwrite what may be replaced: a \
      directory that holds anything else is left as it is.

      Example: shoal export --model models/Qwen2-1.5B-Instruct --adapter runs/dpo --format merged --out models/tuned
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable { case merged, adapter }

  enum MergeTarget: String, ExpressibleByArgument, CaseIterable { case original, dequantized }

  enum Precision: String, ExpressibleByArgument, CaseIterable {
    case bf16, f16, f32

    var elementType: ElementType {
      switch self {
      case .bf16: .bfloat16
      case .f16: .float16
      case .f32: .float32
      }
    }
  }

  @Option(help: ArgumentHelp("The base model: a directory, or a name of the hub that its cache has.", valueName: "dir"))
  var model: String

  @Option(help: ArgumentHelp("An adapter: a run, a checkpoint, PEFT's, or a name of the hub.", valueName: "dir"))
  var adapter: String?

  @Option(help: "What to write.")
  var format: Format

  @Option(help: ArgumentHelp("The directory to write.", valueName: "dir"))
  var out: String

  @Flag(help: "Replace an earlier export that is there.")
  var overwrite = false

  @Option(help: "Element type of the merged weights; by default the base's own.")
  var dtype: Precision?

  @Option(
    help: "What an adapter is merged into: the checkpoint's weights (default), or those of its training (see above).")
  var mergeInto: MergeTarget?

  @Option(help: ArgumentHelp("Size above which weights are split (GB = 1e9 bytes).", valueName: "size"))
  var maxShardSize = "5GB"

  func validate() throws {
    if ByteCount.bytes(maxShardSize) == nil {
      throw ValidationError("--max-shard-size is \"\(maxShardSize)\", expected a size such as 5GB or 500MB.")
    }
    if format == .adapter, adapter == nil { throw ValidationError("--format adapter needs --adapter.") }
    if format == .adapter, dtype != nil {
      throw ValidationError("--dtype is for merged weights; adapters are written in fp32.")
    }
    if format == .adapter, mergeInto != nil { throw ValidationError("--merge-into is for --format merged.") }
  }

  func run() throws {
    let inputs =
      InputPath.model(model, "--model") + (adapter.map { InputPath.model($0, "--adapter") } ?? [])
    let target = try OutputTarget(directory: out, overwrites: overwrite, inputs: inputs)
    let directory = try ModelDirectory(HubCache.directory(of: model, for: .model))
    let adapterPath = try adapter.map { try HubCache.directory(of: $0, for: .adapter) }
    let opened = try adapterPath.map { try AdapterDirectory($0, model: directory.configuration) }
    let inference = try InferenceFiles(adapter: adapterPath, base: directory.path)
    let policy = try opened.map { try Policy(LanguageModel(directory), $0) }
    let origin = try opened.flatMap { try AdapterOrigin(directory: $0.path) }
    try warn(directory, origin)
    switch format {
    case .merged:
      let export = try MergedExport(
        directory, policy, into: mergeInto == .dequantized ? Self.quantizedStorage(origin) : .stored,
        type: dtype?.elementType, pool: ThreadPool(threads: ProcessorSet.boundCount))
      try export.write(
        inference, to: out, shardBytes: ByteCount.bytes(maxShardSize) ?? ShardedExport.defaultShardBytes,
        replaces: target.replaces)
    case .adapter:
      guard let policy, var configuration = opened?.configuration else { return }
      if configuration.baseModel == nil { configuration.baseModel = model }
      try AdapterDirectory.write(policy, configuration, inference, to: out, replaces: target.replaces)
    }
    Console.print("wrote \(out)")
  }

  /// The form of the dequantized weights. QLoRA's is the usual one.
  private static func quantizedStorage(_ origin: AdapterOrigin?) -> WeightStorage {
    origin?.storage == .int8 ? .int8 : .nf4
  }

  /// Warns when the adapter was trained on other weights than it is merged into.
  private func warn(_ directory: ModelDirectory, _ origin: AdapterOrigin?) throws {
    guard format == .merged, let adapter, let origin else { return }
    // Original weights are the usual target of such adapters; the help says what that means.
    let storage =
      switch mergeInto {
      case nil: origin.storage
      case .original: WeightStorage.stored
      case .dequantized: Self.quantizedStorage(origin)
      }
    for warning in origin.mismatches(
      model: model, hash: try directory.contentHash(), storage: storage, adapter: adapter)
    { Console.print(warning) }
    if mergeInto == nil, origin.storage != .stored {
      Console.print(
        "\(adapter) was trained on a base \(origin.storage.text) and is merged into the original weights; "
          + "--merge-into dequantized merges it into the rounded weights that it was trained beside")
    }
  }
}
