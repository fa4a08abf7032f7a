// `shoal summarize`: summarises documents, optionally with base and tuned model side by side.

import ArgumentParser
import Checkpoints
import Corpus
import Foundation
import Model
import Preparation
import Runtime
import Tensors
import Training

struct SummarizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "summarize", abstract: "Summarises documents.",
    discussion: """
      Takes .txt, .md and .pdf (through pdftotext, of poppler-utils) and, as -, standard input. Always takes the most \
      probable token, with the repetition penalty of the model's generation_config.json.

      Example: shoal summarize --model models/Qwen2-1.5B-Instruct --adapter runs/summarize-dpo --compare paper.pdf
      """)

  /// The treatment of a document that exceeds the model's context.
  enum LongDocumentPolicy: String, ExpressibleByArgument, CaseIterable { case parts, refuse }

  @OptionGroup var arguments: ModelArguments

  @Flag(help: "Summarise with and without the adapter, and show both.")
  var compare = false

  @Option(help: "A document that exceeds the model's context: summarise its parts one by one, or refuse it.")
  var long = LongDocumentPolicy.parts

  @Option(
    help: ArgumentHelp(
      "The prompt, with sections [system] and [user] and {document} in it; by default Shoal's own.", valueName: "file"))
  var prompt: String?

  @Option(help: ArgumentHelp("The most tokens of a summary.", valueName: "n"))
  var maxNewTokens = 512

  @Flag(help: "One JSON object per document, a line each.")
  var json = false

  @Argument(help: ArgumentHelp("Documents, or - for standard input.", valueName: "file"))
  var files: [String]

  func validate() throws {
    if compare, arguments.adapter == nil {
      throw ValidationError("--compare needs --adapter: the base is compared with it.")
    }
    if files.filter({ $0 == "-" }).count > 1 { throw ValidationError("- stands for standard input: give it once.") }
    guard 1...1_000_000_000 ~= maxNewTokens else {
      throw ValidationError("--max-new-tokens is \(maxNewTokens), expected 1 to 1000000000.")
    }
  }

  func run() throws {
    let model = try arguments.open()
    let (shape, tokenizer) = (model.configuration, model.prompting.tokenizer)
    let defaults = try model.prompting.generation(shape)
    let request = SummaryRequest(
      tokenizer: tokenizer, template: try model.prompting.template(), system: arguments.chat.system,
      prompt: try prompt.map(PromptTemplate.init(file:)) ?? PromptTemplate.summarize(), newTokens: maxNewTokens,
      context: shape.maximumPositions)
    if let notice = model.prompting.chatNotice { Console.print(notice) }
    // Reads all documents before it summarises the first, so that a mistake in the last is found at once.
    let documents = try files.map { path in
      let document = try request.document(path, text: DocumentText.read(path))
      if document.parts.count > 1, long == .refuse { throw request.excess(document) }
      return document
    }
    let loaded = try arguments.load(model)
    let capacity = (documents.flatMap(\.parts).map(\.count).max() ?? 0) + maxNewTokens
    let pool = ThreadPool(
      threads: arguments.threadsAlone, scratchCount: Attention.scratchCount(headWidth: shape.headWidth))
    let generators = try (compare ? [false, true] : [true]).map {
      try Generator(model.policy(loaded, adapted: $0), capacity: capacity, pool: pool)
    }
    var options = GenerationOptions(rules: defaults.rules, maximumNewTokens: maxNewTokens)
    options.rules.draws = false
    options.stopIDs = defaults.stopIDs
    defaults.printIgnoredKeys(draws: false)
    let stop = StopRequest()
    stop.watchSignals { Foundation.exit(ShoalExit.failure) }
    for document in documents {
      let writer = SummaryWriter(
        document, isCompared: compare, isJSON: json, isOneOfMany: documents.count > 1, tokenizer: tokenizer)
      try writer.write(
        try generators.map { generator in
          try document.parts.enumerated().map { place, ids in
            let answer = try generator.generate(prompt: ids, options, isStopped: { stop.isAsked }) {
              try writer.stream($0, part: place)
            }
            guard answer.finishReason != .interrupted else {
              Console.print("shoal: interrupted")
              throw ExitCode(ShoalExit.failure)
            }
            return answer
          }
        })
    }
  }
}
