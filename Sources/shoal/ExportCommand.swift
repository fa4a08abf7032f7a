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

      An adapter of QLoRA was trained on weights rounded to NF4, so there are two models to merge it into. \
      --merge-into original adds it to the checkpoint's exact weights: no rounding to NF4 remains in the model, but \
      the adapter also corrects a rounding that is no longer there. --merge-into dequantized adds it to the weights \
      as NF4 has them: exactly the model that was trained (up to the one rounding to --dtype), NF4's loss included.

      manifest.json lists the written files with their hashes. It proves to --overwrite what may be replaced: a \
      directory that holds anything else is left as it is.

      Example: shoal export --model models/Qwen2-1.5B-Instruct --adapter runs/dpo --format merged --out models/tuned
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable { case merged, adapter }

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
    help: "What an adapter is merged into: the checkpoint's weights (default), or what NF4 makes of them (see above).")
  var mergeInto: MergedExport.Target?

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
    try warn(directory, opened)
    switch format {
    case .merged:
      let export = try MergedExport(
        directory, policy, into: mergeInto ?? .original,
        type: dtype?.elementType,
        pool: ThreadPool(threads: ProcessorSet.boundCount))
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

  /// Warns when the adapter was trained on other weights than it is merged into.
  private func warn(_ directory: ModelDirectory, _ opened: AdapterDirectory?) throws {
    guard format == .merged, let adapter, let opened, let origin = try AdapterOrigin(directory: opened.path) else {
      return
    }
    // Original weights are the usual target of QLoRA's adapters; the help says what that means.
    let form = mergeInto == nil ? origin.storage : mergeInto == .dequantized ? .nf4 : .stored
    for warning in origin.mismatches(
      model: model, hash: try directory.contentHash(), storage: form, adapter: adapter)
    { Console.print(warning) }
    if mergeInto == nil, origin.storage == .nf4 {
      Console.print(
        "\(adapter) was trained on a base in 4 bits (NF4) and is merged into the original weights; "
          + "--merge-into dequantized gives exactly the model that was trained")
    }
  }
}

extension MergedExport.Target: ExpressibleByArgument {}
