// Turns files into example trees: reads, checks, encodes and truncates every record, in parallel and in order. All
// errors are reported together.

import Checkpoints
import Tensors

/// Examples for training, and a report about their records.
package struct Dataset: Sendable {
  /// In the order of the records. An example's `index` is its record's number over all files, from 0, if each earlier
  /// record made at most one example. Several examples of one record get consecutive numbers.
  package let examples: [ExampleTree]
  /// The digest of each example's prompt. Examples of one record have the same.
  package let prompts: [[UInt8]]
  package let report: DatasetReport
  /// The records that were left out because they cannot be used.
  package let mistakes: [RecordMistake]
  /// Of the records that made examples.
  package let styles: PromptStyles

  /// One entry of the configuration's `datasets`.
  package struct Source: Sendable, Equatable {
    /// Files, patterns or directories.
    package var paths: [String]
    /// nil: TRL's formats, identified by the fields.
    package var type: DatasetType?
    package var fields: RecordFields
    /// The splits to read, if a data set is divided into splits by file, and which records of them.
    package var split: SplitSelection
    /// nil: text, and rendered ChatML is an error.
    package var specialTokens: SpecialTokensInText?
    /// `chat_template` of the data set; nil: the run's.
    package var template: ChatTemplate.Choice?
    /// `name`: the directory of a subset.
    package var subset: String?
    /// Of a data set of the hub; nil: its main branch.
    package var revision: String?
    /// `ds_type`; nil: what each file's name says.
    package var format: DataFormat?
    /// `sample_by`: what text files are cut into.
    package var samples = TextSamples.paragraph
    /// `shards` and `shards_idx`: one of equal parts of the records.
    package var shard: Shard?

    package struct Shard: Sendable, Equatable {
      package var count: Int
      package var index: Int

      package init(count: Int, index: Int) { (self.count, self.index) = (count, index) }
    }

    package init(
      paths: [String], type: DatasetType? = nil, fields: RecordFields = RecordFields(), split: SplitSelection = .train,
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
  /// - Parameters:
  ///   - kind: the wanted kind; nil accepts any.
  ///   - seed: selects the records of shards.
  ///   - omissions: nil: nothing is left out, and there are no keys for it.
  /// - Throws: `FileError` or `CorpusError` if a file cannot be read, more records are wrong than may be left out, or no
  ///   example is left.
  package init(
    sources: [Source], kind: ExampleKind? = nil, encoder: ExampleEncoder, limit: LengthLimit, seed: UInt64 = 0,
    omitting omissions: DataOmissions? = nil
  ) throws {
    var examples: [ExampleTree] = []
    var prompts: [[UInt8]] = []
    var report = DatasetReport(limit: limit, omissions: omissions)
    var styles = PromptStyles()
    var mistakes: [RecordMistake] = []
    var index = 0
    var rendered: [RecordLocation] = []
    for source in sources {
      let encoder = encoder.parsingSpecialTokens(source.specialTokens == .parse)
      var records = try Records(source, seed: seed)
      while let (batch, places) = try records.next() {
        let outcomes = parallelMap(count: places.count) { number in
          RecordOutcome(
            batch, places[number], of: source, kind, encoder, limit, dropsEqualPairs: omissions?.equalPairs ?? false)
        }
        for (place, outcome) in zip(places, outcomes) {
          report.count(outcome, at: batch.location(place))
          if source.specialTokens == nil, outcome.holdsRenderedChat { rendered.append(batch.location(place)) }
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
    let mayBeLeftOut = omissions.map { $0.mistakes - $0.taken } ?? 0
    guard mistakes.count <= mayBeLeftOut, mistakes.isEmpty || mistakes.count < report.records else {
      throw CorpusError.badRecords(mistakes, note: omissions?.note(mistakes.count, of: report.records))
    }
    guard rendered.isEmpty else {
      throw CorpusError.renderedChats(Array(rendered.prefix(DatasetReport.namedRecords)), count: rendered.count)
    }
    guard !examples.isEmpty else { throw report.emptiness }
    (self.examples, self.prompts, self.report, self.styles) = (examples, prompts, report, styles)
    self.mistakes = mistakes
  }
}

extension Dataset {
  /// The data set with the examples at these places alone; the report is that of all.
  package func selecting(_ places: [Int]) -> Dataset { Dataset(self, places) }

  private init(_ other: Dataset, _ places: [Int]) {
    (examples, prompts) = (places.map { other.examples[$0] }, places.map { other.prompts[$0] })
    (report, mistakes, styles) = (other.report, other.mistakes, other.styles)
  }
}

extension RecordOutcome {
  init(
    _ batch: RecordBatch, _ place: Int, of source: Dataset.Source, _ kind: ExampleKind?, _ encoder: ExampleEncoder,
    _ limit: LengthLimit, dropsEqualPairs: Bool
  ) {
    do {
      let value = try batch.record(place)
      do {
        let records = try ExampleRecord.read(value, type: source.type, kind: kind, fields: source.fields)
        var examples: [EncodedExample] = []
        for record in records { examples.append(try encoder.encode(record, index: 0)) }
        let isEqualPair = Self.isEqualPair(examples)
        var parts: [Part] = []
        for (record, encoded) in zip(records, examples) {
          var part = Part(trees: [], traits: encoded.traits, style: record.promptStyle)
          if encoder.parsesSpecialTokens, encoded.traits.holdsRenderedChat { part.style = PromptStyle(frame: .chatML) }
          part.oddities = RecordOddities(
            record, hasTemplate: encoder.template != nil && !encoded.traits.holdsRenderedChat)
          part.traits.isEqualPair = isEqualPair && parts.isEmpty
          part.isLeftOut = isEqualPair && dropsEqualPairs
          guard !part.isLeftOut else {
            parts.append(part)
            continue
          }
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
        self = .wrong(RecordMistake(location: batch.location(place), problem: error))
      }
    } catch {
      self = .wrong(error)
    }
  }
  /// Whether a record's two completions are equal: those of a pair, or of the two examples that KTO makes of one.
  private static func isEqualPair(_ examples: [EncodedExample]) -> Bool {
    guard examples.count == 2 else { return examples.first?.traits.isEqualPair ?? false }
    let (one, other) = (examples[0].tree, examples[1].tree)
    return one.label != other.label && one.prompt == other.prompt && one.completions == other.completions
  }
}
