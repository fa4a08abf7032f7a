// How a command uses a model: with an adapter, in which form, rendering chats how, on how many threads.

import ArgumentParser
import Checkpoints
import Model
import Runtime

struct InferenceArguments: ParsableArguments {
  @Option(help: ArgumentHelp("An adapter: a run, a checkpoint, PEFT's, or a name of the hub.", valueName: "dir"))
  var adapter: String?

  @Flag(
    name: .customLong("load-in-4bit"), inversion: .prefixedNo,
    help: ArgumentHelp(
      "Hold the frozen linear layers in 4 bits (NF4), as load_in_4bit in training; by default as the adapter was "
        + "trained."))
  var loadIn4Bit: Bool?

  @Flag(
    name: .customLong("load-in-8bit"), inversion: .prefixedNo,
    help: ArgumentHelp(
      "Hold them in 8 bits (int8), as load_in_8bit in training. Of either flag, no- is as stored, which is more exact.")
  )
  var loadIn8Bit: Bool?

  @OptionGroup var chat: ChatArguments

  @Option(help: ArgumentHelp("Threads per rank; by default this node's cores / this node's ranks.", valueName: "t"))
  var threads: Int?

  func validate() throws {
    if loadIn4Bit == true, loadIn8Bit == true {
      throw ValidationError("--load-in-4bit and --load-in-8bit are two forms of one base: give one.")
    }
    if let threads, !(1...1_000_000_000 ~= threads) {
      throw ValidationError("--threads is \(threads), expected 1 to 1000000000.")
    }
  }

  func request(_ model: String, adapter: String?) -> OpenedModel.Request {
    OpenedModel.Request(model: model, adapter: adapter, storage: storage, choice: chat.choice)
  }

  /// Nil: as the adapter was trained.
  private var storage: WeightStorage? {
    if loadIn4Bit == true { return .nf4 }
    if loadIn8Bit == true { return .int8 }
    return loadIn4Bit ?? loadIn8Bit == nil ? nil : .stored
  }

  /// What is read, for the check that no output is an input.
  static func inputs(model: String?, adapter: String?) -> [InputPath] {
    (model.map { InputPath.model($0, "--model") } ?? []) + (adapter.map { InputPath.model($0, "--adapter") } ?? [])
  }
}
