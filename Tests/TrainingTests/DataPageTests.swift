import Corpus
import Foundation
import TestSupport
import Testing
import Training

/// Every example of docs/data.md is a data set that Shoal reads.
@Suite struct DataPageTests {
  /// A configuration with the files after it.
  struct Example: Sendable, CustomTestStringConvertible {
    var yaml: String
    var files: [String] = []

    var testDescription: String { String(yaml.prefix(60)) }
  }

  static let examples: [Example] = {
    var examples: [Example] = []
    var block: (language: Substring, lines: [Substring])?
    for line in ((try? Repository.text("docs/data.md")) ?? "").split(separator: "\n", omittingEmptySubsequences: false)
    {
      guard line.hasPrefix("```") else {
        block?.lines.append(line)
        continue
      }
      guard let (language, lines) = block else {
        block = (line.dropFirst(3), [])
        continue
      }
      let text = lines.joined(separator: "\n") + "\n"
      if language == "yaml" {
        examples.append(Example(yaml: text))
      } else {
        examples[examples.count - 1].files.append(text)
      }
      block = nil
    }
    return examples
  }()

  @Test func `there are examples`() {
    #expect(Self.examples.count > 20)
    #expect(Self.examples.count { $0.files.isEmpty } == 1)
  }

  @Test(arguments: examples) func `an example is read as it stands`(example: Example) throws {
    let directory = try TemporaryDirectory()
    let lines = minimalYAML.split(separator: "\n").filter { line in
      ["base_model", "adapter", "learning_rate", "output_dir"].contains { line.hasPrefix("\($0):") }
    }
    var run = try configuration(lines.joined(separator: "\n") + "\n" + example.yaml)
    guard !example.files.isEmpty else { return }
    try #require(run.datasets.count == example.files.count)
    for (place, text) in example.files.enumerated() {
      let path = try #require(run.datasets[place].paths.first)
      run.datasets[place].paths = [try directory.write(path, text)]
      // No text stands for a parquet file.
      guard !path.hasSuffix(".parquet") else { return }
    }
    let model = Repository.fixture("tokenizer")
    let tokenizer = try Tokenizer(directory: model)
    let encoder = ExampleEncoder(
      tokenizer: tokenizer, template: try ChatTemplate(run.chatTemplate, directory: model, tokenizer: tokenizer),
      trainsOnInputs: run.trainsOnInputs)
    let data = try Dataset(
      sources: run.datasets, kind: run.objective.exampleKind, encoder: encoder,
      limit: LengthLimit(sequenceLength: run.sequenceLength))
    #expect(data.report.kept == data.report.records)
    let records = example.files.reduce(0) { $0 + $1.split(separator: "\n").count }
    #expect(data.report.records == (example.yaml.contains(".csv") ? records - 1 : records))
    #expect(data.report.remarks[.specialText] == nil)
  }

  /// The tables name every type.
  @Test func `the page has every type`() throws {
    let text = try Repository.text("docs/data.md")
    for type in DatasetType.all {
      let base = type.name.prefix { $0 != ":" }
      guard let point = base.lastIndex(of: "."), base[point...].hasPrefix(".load") else {
        #expect(text.contains("`\(base)`") || text.contains("type: \(base)\n"), "\(type.name)")
        continue
      }
      let isWhole = base[point...] == ".load" || base[point...] == ".load_chat"
      #expect(isWhole || text.contains("`\(base)`") || text.contains("`…\(base[point...])`"), "\(type.name)")
    }
  }
}
