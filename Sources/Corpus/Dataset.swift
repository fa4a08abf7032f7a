// Turns files into example trees: reads, checks, encodes and truncates every record, in parallel and in order. All
// errors are reported together.

import Tensors

/// Examples for training, and a report about their records.
package struct Dataset: Sendable {
  /// In the order of the records. An example's `index` is its record's number over all files, from 0, if each earlier
  /// record made at most one example. Several examples of one record get consecutive numbers.
  package let examples: [ExampleTree]
  /// The digest of each example's prompt. Examples of one record have the same.
  package let prompts: [[UInt8]]
  package let report: DatasetReport
  /// Of the records that made examples.
  package let styles: PromptStyles

  /// One entry of the configuration's `datasets`.
  package struct Source: Sendable, Equatable {
    /// Files or directories.
    package var paths: [String]
    /// nil: TRL's formats, identified by the fields.
    package var type: DatasetType?
    package var fields: RecordFields
    /// The split to read, if a data set is divided into splits by file.
    package var split: String
    /// nil: text, and rendered ChatML is an error.
    package var specialTokens: SpecialTokensInText?

    package init(
      paths: [String], type: DatasetType? = nil, fields: RecordFields = RecordFields(), split: String = "train",
      specialTokens: SpecialTokensInText? = nil
    ) {
      (self.paths, self.type, self.fields, self.split) = (paths, type, fields, split)
      self.specialTokens = specialTokens
    }
  }

  /// What becomes of special tokens that a record's texts spell.
  package enum SpecialTokensInText: String, Sendable, CaseIterable {
    /// They are tokens, as in TRL and axolotl.
    case parse
    case text
  }

  /// Reads the records of all sources, one after the other.
  /// - Parameter kind: the wanted kind; nil accepts any.
  /// - Throws: `FileError` or `CorpusError` if a file cannot be read, any record is wrong (the error lists the first
  ///   20), or no example is left.
  package init(sources: [Source], kind: ExampleKind? = nil, encoder: ExampleEncoder, limit: LengthLimit) throws {
    var examples: [ExampleTree] = []
    var prompts: [[UInt8]] = []
    var report = DatasetReport(limit: limit)
    var styles = PromptStyles()
    var mistakes: [RecordMistake] = []
    var index = 0
    var rendered: [RecordLocation] = []
    for source in sources {
      let encoder = encoder.parsingSpecialTokens(source.specialTokens == .parse)
      for path in try source.paths.flatMap({ try RecordReader.files(at: $0, split: source.split) }) {
        let reader = try RecordReader(path: path)
        let outcomes = parallelMap(count: reader.count) { place in
          RecordOutcome(reader, place, of: source, kind, encoder, limit)
        }
        for (place, outcome) in outcomes.enumerated() {
          report.count(outcome, at: reader.location(place))
          if source.specialTokens == nil, outcome.holdsRenderedChat { rendered.append(reader.location(place)) }
          switch outcome {
          case .read(let parts, let prompt):
            for part in parts where !part.trees.isEmpty { styles.include(part.style) }
            for (number, tree) in parts.flatMap(\.trees).enumerated() {
              examples.append(tree)
              prompts.append(prompt)
              examples[examples.count - 1].index = index + number
            }
            index += max(1, parts.reduce(0) { $0 + $1.trees.count })
          case .wrong(let mistake):
            mistakes.append(mistake)
            index += 1
          }
        }
      }
    }
    guard mistakes.isEmpty else {
      throw CorpusError.badRecords(Array(mistakes.prefix(CorpusError.namedRecords)), count: mistakes.count)
    }
    guard rendered.isEmpty else {
      throw CorpusError.renderedChats(Array(rendered.prefix(DatasetReport.namedRecords)), count: rendered.count)
    }
    guard !examples.isEmpty else {
      throw CorpusError.nothingFits(records: report.records, limit: limit.description)
    }
    (self.examples, self.prompts, self.report, self.styles) = (examples, prompts, report, styles)
  }
}

extension Dataset {
  /// The data set with the examples at these places alone; the report is that of all.
  package func selecting(_ places: [Int]) -> Dataset { Dataset(self, places) }

  private init(_ other: Dataset, _ places: [Int]) {
    (examples, prompts) = (places.map { other.examples[$0] }, places.map { other.prompts[$0] })
    (report, styles) = (other.report, other.styles)
  }
}

extension RecordOutcome {
  init(
    _ reader: RecordReader, _ place: Int, of source: Dataset.Source, _ kind: ExampleKind?, _ encoder: ExampleEncoder,
    _ limit: LengthLimit
  ) {
    do {
      let value = try reader.record(place)
      do {
        let records = try ExampleRecord.read(value, type: source.type, kind: kind, fields: source.fields)
        var parts: [Part] = []
        for record in records {
          let encoded = try encoder.encode(record, index: 0)
          var part = Part(trees: [], traits: encoded.traits, style: record.promptStyle)
          if encoder.parsesSpecialTokens, encoded.traits.holdsRenderedChat { part.style = PromptStyle(frame: .chatML) }
          switch try limit.applied(to: encoded) {
          case .fits: part.trees = [encoded.tree]
          case .truncated(let tree): (part.trees, part.isTruncated) = ([tree], true)
          case .pieces(let trees): part.trees = trees
          case .dropped: break
          }
          parts.append(part)
        }
        self = .read(parts, prompt: records.first?.promptDigest ?? [])
      } catch {
        self = .wrong(RecordMistake(location: reader.location(place), problem: error))
      }
    } catch {
      self = .wrong(error)
    }
  }
}
