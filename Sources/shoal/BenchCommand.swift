// `shoal bench`: measures how fast this machine trains, as a share of its own limit.

import ArgumentParser
import Checkpoints
import Collectives
import Foundation
import Model
import Runtime
import Tensors
import Training

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures training steps beside the machine's own sgemm.",
    discussion: """
      Utilisation is the least number of operations that a step needs, divided by its seconds and by what OpenBLAS's \
      sgemm does on the layers' shapes in the same minute. Under mpirun all ranks work and are measured together. In int8 \
      (load_in_8bit) the limit of the linear layers is the int8 instruction's rate, and each step is measured beside one \
      in fp32.

      Example: shoal bench --shape qwen2-0.5b --prompt 1350 --chosen 300 --rejected 200
      """)

  enum Shape: String, ExpressibleByArgument, CaseIterable {
    case half = "qwen2-0.5b"
    case oneAndAHalf = "qwen2-1.5b"
  }

  @Option(help: ArgumentHelp("A model, a directory or a name of the hub, instead of random weights.", valueName: "dir"))
  var model: String?

  @Option(help: "Random weights of this shape.")
  var shape: Shape?

  @Option(help: ArgumentHelp("Tokens of a prompt.", valueName: "n"))
  var prompt = 1350

  @Option(help: ArgumentHelp("Tokens of a chosen completion.", valueName: "n"))
  var chosen = 300

  @Option(help: ArgumentHelp("Tokens of a rejected completion.", valueName: "n"))
  var rejected = 200

  @Option(help: ArgumentHelp("Pairs of an optimizer step.", valueName: "n"))
  var pairs = 1

  @Option(help: ArgumentHelp("Steps that are measured, after one that warms up.", valueName: "n"))
  var rounds = 3

  @Option(help: ArgumentHelp("LoRA's rank, on all seven linears; 32 if nothing is said.", valueName: "r"))
  var loraRank: Int?

  @Option(help: "Of the frozen linear layers.")
  var arithmetic = BenchmarkRequest.Arithmetic.fp32

  @Flag(help: "Trains all weights instead of LoRA.")
  var allWeights = false

  @Option(help: ArgumentHelp("Threads per rank; by default this node's cores / this node's ranks.", valueName: "t"))
  var threads: Int?

  @Flag(help: "One JSON object on stdout instead of a table.")
  var json = false

  func validate() throws {
    if model != nil, shape != nil { throw ValidationError("--model and --shape exclude each other.") }
    if allWeights, loraRank != nil { throw ValidationError("--all-weights and --lora-rank exclude each other.") }
    if allWeights, arithmetic == .int8 {
      throw ValidationError(
        "--all-weights and --arithmetic int8 exclude each other: weights that are trained are fp32.")
    }
    let counts = [
      ("prompt", prompt), ("chosen", chosen), ("rejected", rejected), ("pairs", pairs), ("rounds", rounds),
      ("lora-rank", loraRank ?? 1), ("threads", threads ?? 1),
    ]
    for (name, value) in counts where value < 1 {
      throw ValidationError("--\(name) is \(value), expected at least 1.")
    }
  }

  func run() {
    BaselineCore.chooseBest()
    runInWorld { world in
      var found: ModelDirectory?
      var mistake: (any Error)?
      do { found = try model.map { try ModelDirectory(HubCache.directory(of: $0, for: .model)) } } catch {
        mistake = error
      }
      try world.agreeOnFailure(local: mistake)
      let loaded =
        found.map { LanguageModel($0) }
        ?? LanguageModel(randomWeightsOf: shape == .oneAndAHalf ? .qwen2OneAndAHalf : .qwen2Half)
      let benchmark = try Benchmark(
        loaded,
        BenchmarkRequest(
          prompt: prompt, chosen: chosen, rejected: rejected, pairs: pairs, rounds: rounds,
          loraRank: allWeights ? nil : loraRank ?? 32,
          threads: Threads.count(asked: threads, in: world), arithmetic: arithmetic), world: world)
      let report = try benchmark.run { round in
        if world.rank == 0 { Console.print("round \(round) of \(rounds)") }
      }
      guard world.rank == 0 else { return 0 }
      let table = BenchTable(report, name: model ?? (shape ?? .half).rawValue)
      print(json ? table.json.serialized(indent: 2) : table.text)
      return 0
    }
  }
}

extension BenchmarkRequest.Arithmetic: ExpressibleByArgument {}

/// OpenBLAS chooses its kernels when it is loaded, and older versions do not know newer processors. On an AVX-512
/// machine they may choose AVX2 kernels at half the speed, which would make the limit too low.
enum BaselineCore {
  private static let (name, best) = ("OPENBLAS_CORETYPE", "SKYLAKEX")

  /// Restarts this process with the best kernels.
  static func chooseBest() {
    let isSlow = ["Haswell", "Zen"].contains(Machine.blasCore) && VectorLevel.inUse.name == "AVX-512"
    guard isSlow, ProcessInfo.processInfo.environment[name] != best else { return }
    setenv(name, best, 1)
    let arguments = CommandLine.arguments.map { strdup($0) } + [nil]
    // If this fails, the measurement continues with the present kernels. The table names them.
    execv("/proc/self/exe", arguments)
  }
}
