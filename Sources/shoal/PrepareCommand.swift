// `shoal prepare`: the summarisation recipe, from documents to requests and from answers to pairs.

import ArgumentParser
import Checkpoints
import Corpus
import Foundation
import Preparation
import Tensors

struct PrepareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prepare", abstract: "Makes preference pairs of documents and a teacher's answers.",
    discussion: """
      requests asks a larger model for two summaries of each document, their scores and the better one; send its \
      lines to any batch interface. pairs reads the answers. docs/prepare.md has the recipe and the files' formats.

      Example: shoal prepare requests --documents docs.jsonl --model models/Qwen2-1.5B-Instruct --out requests.jsonl
      """,
    subcommands: [PrepareRequestsCommand.self, PreparePairsCommand.self])
}

/// The options of both subcommands.
struct DocumentOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Documents, {\"id\": …, \"text\": …} each: a file or a directory of files.", valueName: "path"))
  var documents: String

  @Option(
    help: ArgumentHelp("The model whose tokenizer counts lengths: a directory, or a name of the hub.", valueName: "dir")
  )
  var model: String

  @Option(help: ArgumentHelp("Tokens that a document must have.", valueName: "n"))
  var minTokens = DocumentLimits().tokens.lowerBound

  @Option(help: ArgumentHelp("Tokens that a document may have.", valueName: "n"))
  var maxTokens = DocumentLimits().tokens.upperBound

  @Option(
    help: ArgumentHelp(
      "A prompt of your own, with sections [system] and [user] and {document} once; see configs/prompts.",
      valueName: "file"))
  var prompt: String?

  @Flag(help: "Replace what is there: the file that --out names; in --out-dir only what an earlier start wrote.")
  var overwrite = false

  func validate() throws {
    guard 1 <= minTokens, minTokens <= maxTokens else {
      throw ValidationError("--min-tokens \(minTokens) and --max-tokens \(maxTokens) leave no length.")
    }
  }

  func read() throws -> SourceDocuments {
    let tokenizer = try Tokenizer(directory: HubCache.directory(of: model, for: .tokenizer))
    var limits = DocumentLimits()
    limits.tokens = minTokens...maxTokens
    return try SourceDocuments(path: documents, tokenizer: tokenizer, limits: limits)
  }

  /// What is read, for the check that no output is an input.
  var inputs: [InputPath] {
    InputPath.model(model, "--model") + [InputPath(documents, "--documents")]
      + (prompt.map { [InputPath($0, "--prompt")] } ?? [])
  }
}

struct PrepareRequestsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "requests", abstract: "Writes a request to a teacher for every document of the right length.",
    discussion: """
      The lines are those of OpenAI's batch interface, which vLLM's run-batch reads too. With --held-out the teacher is \
      asked for one summary of each long document, to compare the tuned model's with (pairs --references).

      Example: shoal prepare requests --documents docs.jsonl --model models/Qwen2-1.5B-Instruct --out requests.jsonl
      """)

  @OptionGroup var input: DocumentOptions

  @Flag(help: "Ask for a summary of each long document that is held out.")
  var heldOut = false

  @Option(help: ArgumentHelp("The teacher's name for the interface.", valueName: "name"))
  var teacher = "Qwen/Qwen2-72B-Instruct"

  @Option(help: ArgumentHelp("The file to write; - is standard output.", valueName: "file"))
  var out: String

  func run() throws {
    let target = try OutputTarget(file: out, overwrites: input.overwrite, inputs: input.inputs)
    let own = try input.prompt.map { try PromptTemplate(file: $0) }
    let prompt = try own ?? (heldOut ? .summarize() : .teacher())
    let documents = try input.read()
    let use = heldOut ? SourceDocuments.LengthClass.heldOut : .pair
    try target.write(TeacherRequests(documents: documents, for: use, prompt: prompt, teacher: teacher).append)
    Console.print(
      "wrote \(documents.count(use)) requests to \(out): of \(documents.recordCount) documents "
        + "\(documents.duplicates.count) came again, \(documents.count(.tooShort)) have fewer than "
        + "\(input.minTokens) tokens, \(documents.count(.between) + documents.count(.tooLong)) more than "
        + "\(input.maxTokens), \(documents.count(.heldOut)) are long enough to be held out")
  }
}

struct PreparePairsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pairs", abstract: "Makes preference pairs of a teacher's answers.",
    discussion: """
      Writes train.jsonl and test.jsonl (type: chatml.intel), heldout.jsonl (long documents, for summaries to look \
      at), references.jsonl (those with a teacher's summary, if --references has some), rejects.jsonl (every answer that became no pair, with the reason) and report.json.

      Example: shoal prepare pairs --documents docs.jsonl --answers answers.jsonl --model models/Qwen2-1.5B-Instruct \
      --out-dir data
      """)

  @OptionGroup var input: DocumentOptions

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Answers, {\"id\": …, \"text\": …} each, or a batch interface's lines.", valueName: "path"))
  var answers: [String]

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("The teacher's summaries of long documents, in the same formats.", valueName: "path"))
  var references: [String] = []

  @Option(help: ArgumentHelp("The directory to write into.", valueName: "dir"))
  var outDir: String

  @Option(help: ArgumentHelp("Drop pairs whose summaries are more alike than this, 0 to 1.", valueName: "x"))
  var maxSimilarity = PairFilter().maximumSimilarity

  @Option(help: ArgumentHelp("Drop pairs whose total scores differ by this or less.", valueName: "x"))
  var closeScores = PairFilter().closeScores

  @Option(help: ArgumentHelp("Share of the documents whose pairs go to test.jsonl.", valueName: "x"))
  var testShare = 0.02

  func validate() throws {
    guard 0...1 ~= maxSimilarity else {
      throw ValidationError("--max-similarity is \(maxSimilarity), expected 0 to 1.")
    }
    guard closeScores >= 0, closeScores.isFinite else {
      throw ValidationError("--close-scores is \(closeScores), expected 0 or more.")
    }
    guard testShare >= 0, testShare < 1 else {
      throw ValidationError("--test-share is \(testShare), expected at least 0 and less than 1.")
    }
    guard !answers.isEmpty else { throw ValidationError("--answers names no file.") }
  }

  func run() throws {
    try PairsDirectory(outDir).requireFree(
      overwrites: input.overwrite,
      inputs: input.inputs + answers.map { InputPath($0, "--answers") }
        + references.map { InputPath($0, "--references") })
    let prompt = try input.prompt.map { try PromptTemplate(file: $0) } ?? .summarize()
    var filter = PairFilter()
    filter.maximumSimilarity = maxSimilarity
    filter.closeScores = closeScores
    let answers = try TeacherAnswer.read(answers)
    let pairs = try PreferencePairs(
      documents: try input.read(), answers: answers, references: try TeacherAnswer.read(references), prompt: prompt,
      filter: filter, testShare: testShare)
    try pairs.write(to: outDir)
    Console.print("\(pairs.report)\nwrote \(pairs.fileNames.joined(separator: ", ")) into \(outDir)")
  }
}
