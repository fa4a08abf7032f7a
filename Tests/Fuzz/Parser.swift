// Every parser of external input, by name. An input is rejected with an error or read; anything else is a bug.

import Checkpoints
import Corpus
import Foundation
import Hub
import Jinja
import Model
import Patterns
import Preparation
import Runtime
import TestSupport
import Training

/// A parser that libFuzzer runs.
enum Parser: String, CaseIterable {
  case json, safetensors, shards, config
  case generationConfig = "generation-config"
  case tokenizer, adapter, records, gzip
  case configuration
  case referenceCache = "reference-cache"
  case examples
  case quantizedBase = "quantized-base"
  case drawnWeights = "drawn-weights"
  case checkpoint
  case modelCheckpoint = "model-checkpoint"
  case partialWork = "partial-work"
  case workItem = "work-item"
  case answers
  case prompts
  case pattern
  case splitRule = "split-rule"
  case parquet
  case hub
  case template
  case torchFile = "torch-file"
  case encoder
  case rouge
  case taskFile = "task-file"
  case taskDocuments = "task-documents"

  /// Parses one input. Errors are described, as a command would do: their texts contain parts of the input.
  func run(_ bytes: UnsafeRawBufferPointer) {
    do {
      switch self {
      case .json: try parseJSON(bytes)
      case .safetensors: try FileParsers.shared.safetensors(bytes)
      case .shards: try FileParsers.shared.shards(bytes)
      case .config: _ = try ModelConfiguration(json: .parse(bytes), path: "config.json")
      case .generationConfig:
        _ = try GenerationDefaults(json: .parse(bytes), path: "generation_config.json", TinyModel.configuration)
      case .tokenizer: try FileParsers.shared.tokenizer(bytes)
      case .adapter: try FileParsers.shared.adapter(bytes)
      case .records: try FileParsers.shared.records(bytes)
      case .gzip: try FileParsers.shared.gzip(bytes)
      case .configuration: try parseConfiguration(bytes)
      case .referenceCache: try FileParsers.shared.referenceCache(bytes)
      case .examples: try FileParsers.shared.examples(bytes)
      case .quantizedBase: try FileParsers.shared.quantizedBase(bytes)
      case .drawnWeights: try FileParsers.shared.drawnWeights(bytes)
      case .checkpoint: try FileParsers.shared.checkpoint(bytes)
      case .modelCheckpoint: try FileParsers.shared.modelCheckpoint(bytes)
      case .partialWork: try FileParsers.shared.partialWork(bytes)
      case .workItem: try parseWorkItem(bytes)
      case .answers: try parseAnswer(bytes)
      case .pattern:
        _ = try RegularExpression(String(decoding: bytes, as: UTF8.self)).matches("model.layers.0.mlp.up_proj")
      case .splitRule: try splitText(bytes)
      case .parquet: try FileParsers.shared.parquet(bytes)
      case .hub: try parseHubAnswer(bytes)
      case .template: try renderTemplate(bytes)
      case .torchFile: try FileParsers.shared.torchFile(bytes)
      case .encoder: try FileParsers.shared.encoder(bytes)
      case .rouge: FileParsers.shared.rouge(bytes)
      case .taskFile: try FileParsers.shared.taskFile(bytes)
      case .taskDocuments: try FileParsers.shared.taskDocuments(bytes)
      case .prompts: _ = try PromptTemplate(String(decoding: bytes, as: UTF8.self), source: "prompt.txt")
      }
    } catch {
      _ = "\(error)".utf8.count
    }
  }
}

/// A serialized value must parse to the same value. What is JSON is the same value in data.
private func parseJSON(_ bytes: UnsafeRawBufferPointer) throws {
  let data = Result { try JSONValue.parse(bytes, by: .data) }
  if case .success(let data) = data { _ = try JSONValue.parse(Array(data.serialized().utf8), by: .data) }
  let value = try JSONValue.parse(bytes, by: .anyText)
  let again = try JSONValue.parse(Array(value.serialized().utf8), by: .anyText)
  precondition(again == value, "the serialized value reads otherwise")
  guard case .success(value) = data else { preconditionFailure("the value is another one in data") }
}

/// An accepted configuration must plan a run, and its written form must mean the same.
private func parseConfiguration(_ bytes: UnsafeRawBufferPointer) throws {
  guard let text = String(validating: bytes, as: UTF8.self) else { return }
  let configuration = try RunConfiguration(yaml: text, name: "config.yaml")
  let schedule = StepSchedule(
    configuration, examples: 13, lengths: Array(repeating: min(7, configuration.sequenceLength), count: 13))
  for step in Set([1, min(schedule.totalSteps, 1000)]) {
    _ = schedule.plan.positions(step: step - 1)
    _ = (schedule.evaluates(after: step), schedule.saves(after: step), schedule.logs(after: step))
    let rates = LearningRateSchedule(configuration, totalSteps: schedule.totalSteps)
    _ = rates.multiplier(after: step)
  }
  let model = TinyModel.configuration
  _ = AdapterLayout(configuration: model, rank: configuration.loraRank, scale: 1, modules: Set(LinearModule.allCases))
  let again = try RunConfiguration(yaml: configuration.resolvedYAML, name: "resolved")
  precondition(again.differences(from: configuration).isEmpty, "the resolved configuration is another one")
}

/// A split rule on the first line, and a text that its pieces must make up again.
private func splitText(_ bytes: UnsafeRawBufferPointer) throws {
  let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", maxSplits: 1)
  guard let rule = lines.first else { return }
  let letters = CodePointSet([0x41...0x5A, 0x61...0x7A, 0xC0...0x24F, 0x4E00...0x9FFF])
  let dialect = PatternDialect.oniguruma(space: CodePointSet([0x09...0x0D, 0x20...0x20])) { name in
    ["L": letters, "N": CodePointSet([0x30...0x39])][name]
  }
  let automaton = try PatternAutomaton(String(rule), dialect)
  var text = lines.count > 1 ? String(lines[1]) : "Hello  wörld's 123\n\n x"
  text.withUTF8 { text in
    var scan = PatternScan(automaton, text, upTo: text.count)
    var start = 0
    while let match = scan.match(from: start) {
      precondition(start <= match.lowerBound && !match.isEmpty, "a match out of place")
      _ = String(decoding: text[match], as: UTF8.self)
      start = match.upperBound
    }
    precondition(start <= text.count, "a match beyond the text")
  }
}

private func parseWorkItem(_ bytes: UnsafeRawBufferPointer) throws {
  let item = try WorkItem(bytes: Array(bytes))
  // NaNs are not equal to themselves, so bytes are compared.
  precondition(item.bytes.elementsEqual(bytes) || !item.references.isEmpty, "the item is written otherwise")
  for tree in item.trees { _ = tree.completions.indices.map(tree.scoredCount) }
}

/// An answer's text, or a line of a batch interface.
private func parseAnswer(_ bytes: UnsafeRawBufferPointer) throws {
  let text = String(decoding: bytes, as: UTF8.self)
  _ = PairFilter().outcome(
    TeacherAnswer(id: "1", location: RecordLocation(file: "answers", line: 1, byte: 0), text: text))
  let value = try JSONValue.parse(bytes)
  for answer in try TeacherAnswer.answers(in: value, at: RecordLocation(file: "answers", line: 1, byte: 0)) {
    _ = try JudgedSummaries(answer: answer.text, isCutShort: answer.isCutShort)
  }
}

/// The committed tiny model.
enum TinyModel {
  static let directory = TinyFixture.path("model")
  /// Read once: without its fixtures the program cannot fuzz.
  static let configuration: ModelConfiguration = {
    do { return try ModelConfiguration(directory: directory) } catch { preconditionFailure("\(error)") }
  }()
}

/// The head of an answer up to an empty line, and the listing that follows.
private func parseHubAnswer(_ bytes: UnsafeRawBufferPointer) throws {
  let parts = String(decoding: bytes, as: UTF8.self).split(separator: "\n\n", maxSplits: 1)
  let head = parts.first.flatMap { ResponseHead($0.split(whereSeparator: \.isNewline)) }
  let hub = HubAddress("https://hub.example/api/x?y")
  if let target = head?["location"].flatMap({ hub?.redirect(to: $0) }) {
    precondition(target.scheme == "https" && HubAddress(target.text) == target, "\(target.text) reads otherwise")
  }
  _ = head?.bytes("content-length").map { $0 + 1 }
  guard parts.count == 2, let name = HubName("own/tiny") else { return }
  let listing = try HubListing(
    Array(parts[1].utf8), commit: head?["x-repo-commit"], of: name, revision: "main", at: "the hub")
  for file in listing.files {
    let place = resolvedWithoutLinks("/cache/" + file.path)
    precondition(place.hasPrefix("/cache/") && file.proof?.blobName.contains("/") != true, "\(file.path) leaves")
  }
  _ = try HubSelection(name: name, globs: []).files(of: listing)
}

/// The path without `.` and `..`.
private func resolvedWithoutLinks(_ path: String) -> String {
  var parts: [Substring] = []
  for part in path.split(separator: "/") where part != "." {
    if part == ".." { _ = parts.popLast() } else { parts.append(part) }
  }
  return "/" + parts.joined(separator: "/")
}

/// A template, rendered with a chat that has everything.
private func renderTemplate(_ bytes: UnsafeRawBufferPointer) throws {
  let template = try Template(String(decoding: bytes, as: UTF8.self))
  let call: JSONValue = ["function": ["name": "f", "arguments": ["x": 1, "y": [.null, true, 1.5, "é"]]]]
  let messages: [JSONValue] = [
    ["role": "system", "content": "Be brief."], ["role": "user", "content": " Hi\n<|im_end|> é"],
    ["role": "assistant", "content": .null, "tool_calls": [call]], ["role": "tool", "content": "{}"],
    ["role": "assistant", "content": "<think>\nhm\n</think>\n\nYo", "reasoning_content": "r"],
  ]
  let output = try template.render(
    messages, [.init("tools", [call]), .init("add_generation_prompt", true)], constants: ["eos_token": "<|im_end|>"])
  precondition(output.allSatisfy { !$0.text.isEmpty }, "an empty part of a text")
}
