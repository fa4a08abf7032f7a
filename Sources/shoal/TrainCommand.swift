// `shoal train`: the training job.

import ArgumentParser
import Checkpoints
import Collectives
import Corpus
import Foundation
import Hub
import Runtime
import Tensors
import Training

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Trains as a configuration file says.",
    discussion: """
      Alone it is a world of one rank, under mpirun -n R a world of R: the result is the same to the last bit. \
      Overrides use dotted paths and YAML values.

      Example: mpirun -n 4 shoal train configs/qwen2-1.5b-dpo.yaml learning_rate=1e-4 datasets.0.path=pairs.jsonl

      Exit codes: 0 done, 64 the user's mistake, 75 stopped on request after saving (run it again to go on), \
      1 anything else.
      """)

  @Argument(help: ArgumentHelp("The configuration, in axolotl's spelling.", valueName: "config"))
  var configurationPath: String

  @Argument(help: ArgumentHelp("Settings that override the file's.", valueName: "key=value"))
  var overrides: [String] = []

  @Option(help: ArgumentHelp("Threads per rank; by default this node's cores / this node's ranks.", valueName: "t"))
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "auto: go on where a run stopped; never: start afresh; or a checkpoint directory.", valueName: "auto|never|dir"))
  var resume = "auto"

  @Flag(help: "Remove the run that output_dir holds; what others put there stays.")
  var overwrite = false

  @Flag(help: "First download what base_model and lora_model_dir name on the hub and its cache lacks, as shoal fetch.")
  var fetch = false

  @Flag(help: "Let ranks of unlike builds or machines work together; their results then differ in the last bits.")
  var allowMixed = false

  @Flag(help: "Print the plan as JSON and exit: tokens, memory, arithmetic, predicted seconds. Nothing is written.")
  var plan = false

  @Option(
    help: ArgumentHelp("Print the first n training examples as tokens and exit. Nothing is written.", valueName: "n"))
  var showExamples: Int?

  @Flag(
    help: ArgumentHelp(
      "One process, checked at every kernel: names the first value that is not finite, writes norms per layer to "
        + "debug.jsonl and the first step's gradient to gradients.safetensors."))
  var debug = false

  @Flag(help: "With --debug: compare the gradient of every module with central differences first.")
  var checkGradients = false

  func validate() throws {
    if checkGradients, !debug { throw ValidationError("--check-gradients goes with --debug.") }
    if plan, debug { throw ValidationError("--plan and --debug exclude each other.") }
    if let threads, threads < 1 { throw ValidationError("--threads is \(threads), expected at least 1.") }
    if let showExamples, showExamples < 1 {
      throw ValidationError("--show-examples is \(showExamples), expected at least 1.")
    }
    for override in overrides where !override.contains("=") {
      throw ValidationError("\"\(override)\" is no override, expected key=value.")
    }
  }

  private var request: RunRequest {
    let resume: ResumeMode =
      switch resume {
      case "auto": .automatic
      case "never": .never
      default: .from(self.resume)
      }
    return RunRequest(
      configurationPath: configurationPath, overrides: overrides, threads: threads, resume: resume,
      overwrites: overwrite, allowsMixed: allowMixed, writes: !plan && showExamples == nil, debugs: debug)
  }

  func run() {
    let request = request
    // Before MPI starts, because a stop request may come at any moment.
    let stop = StopRequest()
    // A second Ctrl-C ends the process immediately.
    stop.watchSignals { _exit(130) }
    runInWorld { world in
      guard !debug || world.size == 1 else { throw DebugInWorld(size: world.size) }
      if fetch, try !fetchModels(world, stop) { return ShoalExit.stopped }
      let printer = ProgressPrinter()
      let prepared = try PreparedRun(request, world: world, build: try .running()) { printer.print($0) }
      if let showExamples {
        let configuration = prepared.configuration
        guard let data = prepared.coordinator?.data else { return 0 }
        let printer = ExamplePrinter(
          tokenizer: try Tokenizer(directory: configuration.baseDirectory), isColoured: isatty(STDOUT_FILENO) == 1)
        for place in data.training.indices.prefix(showExamples) {
          print(printer.text(try data.training.tree(place), number: place + 1))
        }
        return 0
      }
      if plan {
        if let json = try RunPlan.json(prepared, notice: Console.print) { print(json.serialized(indent: 2)) }
        return 0
      }
      if checkGradients { try prepared.requireDifferences() }
      let recorder = debug ? DebugRecorder(directory: prepared.configuration.outputDirectory) : nil
      let run = try TrainingRun(prepared: prepared, stop: stop, debug: recorder) { printer.print($0) }
      if checkGradients { try run.checkGradients(report: printer.print) }
      switch try run.run() {
      case .finished:
        if world.rank == 0 {
          Console.print(
            "done: the \(prepared.configuration.adapter == nil ? "model" : "adapter") is in \(prepared.configuration.outputDirectory)"
          )
        }
        return 0
      case .alreadyFinished:
        if world.rank == 0 {
          Console.print(
            "\(prepared.configuration.outputDirectory): this run is finished; nothing is left to do (to train further, "
              + "raise max_steps or num_epochs, or branch off one of its checkpoints: docs/pretraining.md)")
        }
        return 0
      case .stopped(let step, let partial):
        if world.rank == 0 {
          Console.print("stopped after step \(step)\(partial.map(underWay) ?? ""); run the same command again to go on")
        }
        return ShoalExit.stopped
      }
    }
  }
}

extension TrainCommand {
  /// Downloads on rank 0 what the cache lacks, while the other ranks wait. False after a request to stop.
  private func fetchModels(_ world: any Communicator, _ stop: StopRequest) throws -> Bool {
    var failure: (any Error)?
    var isStopped = false
    if world.rank == 0 {
      do {
        try fetchModels(stop)
      } catch HubFailure.stopped {
        isStopped = true
        Console.print("\(HubFailure.stopped)")
      } catch {
        failure = error
      }
    }
    try world.agreeOnFailure(local: failure)
    return try world.agree(on: isStopped ? 1 : 0) == 0
  }

  private func fetchModels(_ stop: StopRequest) throws {
    let configuration = try RunConfiguration(path: configurationPath, overrides: overrides)
    for (name, revision, globs) in configuration.missingFromHub {
      var request = try HubRequest(name.text, name.kind, revision: revision)
      (request.globs, request.isPart) = (globs, !globs.isEmpty)
      _ = try FetchCommand.download(request, stop)
    }
  }
}

private func underWay(_ partial: PartialWork) -> String {
  ", with \(partial.done) examples of \(partial.kind == .step ? "step \(partial.step)" : "the evaluation") done"
}
