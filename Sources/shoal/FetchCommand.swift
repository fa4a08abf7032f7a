// `shoal fetch`: downloads a model or a data set from the hub.

import ArgumentParser
import Checkpoints
import Foundation
import Hub
import Runtime
import Tensors
import Training

struct FetchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch", abstract: "Downloads a model or a data set from the hub.",
    discussion: """
      Into the hub's own cache, where transformers finds it too and where base_model, --model and --adapter take its \
      name; or as plain files into --out. An interrupted download goes on with the same command. Every file has the \
      size and the hash that the hub lists, or is not there. stdout gets the directory.

      Without --include it takes what Shoal can read: of a model .safetensors, .json, .txt, .jinja and \
      tokenizer.model; of a data set .parquet, .json, .jsonl, .ndjson, .csv, .tsv and .txt, packed by gzip or zstd \
      too.

      HF_ENDPOINT, HF_TOKEN (or the file that `hf auth login` writes), HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean \
      what they mean to huggingface_hub. The program curl must be installed.

      Example: shoal fetch Qwen/Qwen2-0.5B-Instruct
      """)

  @Argument(help: ArgumentHelp("The name on the hub.", valueName: "owner/name"))
  var name: String

  @Flag(help: "It is a data set.")
  var dataset = false

  @Option(help: ArgumentHelp("A branch, a tag or a commit; main by default.", valueName: "r"))
  var revision: String?

  @Option(
    help: ArgumentHelp("Take the files that match, and no others; may be given several times.", valueName: "glob"))
  var include: [String] = []

  @Option(help: ArgumentHelp("A directory for plain files, instead of the hub's cache.", valueName: "dir"))
  var out: String?

  @Flag(help: "With --out: replace files that are there and have another content.")
  var overwrite = false

  func validate() throws {
    if overwrite, out == nil { throw ValidationError("--overwrite goes with --out.") }
    if out == "" { throw ValidationError("--out is empty, expected a directory.") }
    if include.contains("") { throw ValidationError("--include is empty, expected a glob such as *.safetensors.") }
  }

  func run() throws {
    let stop = StopRequest()
    // A second Ctrl-C ends the process immediately.
    stop.watchSignals { _exit(130) }
    var request = try HubRequest(name, dataset ? .dataset : .model, revision: revision)
    (request.globs, request.directory, request.overwrites) = (include, out, overwrite)
    do {
      print(try Self.download(request, stop))
    } catch HubFailure.stopped {
      Console.print("\(HubFailure.stopped)")
      throw ExitCode(ShoalExit.stopped)
    }
  }

  /// Downloads and prints the progress; returns the directory.
  static func download(_ request: HubRequest, _ stop: StopRequest) throws -> String {
    let printer = FetchPrinter(request.name.text)
    return try HubDownload(request, HubSettings(), isStopped: { stop.isAsked }, progress: printer.print).run()
  }
}
