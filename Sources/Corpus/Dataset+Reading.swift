// Reads the records of a data set and turns them into examples, in parallel and in order.

import Checkpoints
import Foundation
import Tensors

extension Dataset {
  /// What the examples of a data set depend on, besides the files and the tokenizer.
  struct Reading {
    let sources: [Source]
    let kind: ExampleKind?
    let encoder: ExampleEncoder
    let limit: LengthLimit
    let seed: UInt64
    let omissions: DataOmissions?

    /// The data files.
    var files: [String] { get throws { try sources.flatMap { try Records.files(of: $0) } } }

    /// Everything else that the examples depend on, but for the tokenizer's files.
    var settings: String {
      let parts: [Any] = [
        sources, kind as Any, encoder, limit, omissions as Any,
        // The seed selects the records of a shard and nothing else.
        sources.contains { $0.shard != nil } ? seed : 0,
        // Such a template writes the date.
        encoder.template?.jinja.contains("strftime_now") == true ? Self.today : "",
      ]
      return parts.map(canonicalText).joined(separator: "\n")
    }

    /// Mistakes that are kept beyond those that are left out, to be told: of wrong data, nearly all is.
    private static let namedMistakes = 10_000

    private static var today: String { "\(Calendar.current.dateComponents([.year, .month, .day], from: Date()))" }

    /// Writes all examples.
    /// - Throws: as `Dataset.init`, and errors of the writer.
    func write(to writer: ExampleWriter) throws -> Information {
      var report = DatasetReport(limit: limit, omissions: omissions)
      var styles = PromptStyles()
      let mayBeLeftOut = omissions.map { $0.mistakes - $0.taken } ?? 0
      var mistakes: [RecordMistake] = []
      var mistaken = 0
      var index = 0
      var rendered: [RecordLocation] = []
      var renderedCount = 0
      for source in sources {
        let encoder = encoder.parsingSpecialTokens(source.specialTokens == .parse)
        var records = try Records(source, seed: seed)
        while let (batch, places) = try records.next() {
          let outcomes = parallelMap(count: places.count) { number in
            let outcome = RecordOutcome(
              batch, places[number], of: source, kind, encoder, limit, dropsEqualPairs: omissions?.equalPairs ?? false)
            return (outcome, outcome.trees.map { EncodedRow($0, encoder.tokenizer) })
          }
          for (place, (outcome, rows)) in zip(places, outcomes) {
            report.count(outcome, at: batch.location(place))
            if source.specialTokens == nil, outcome.holdsRenderedChat {
              renderedCount += 1
              if rendered.count < DatasetReport.namedRecords { rendered.append(batch.location(place)) }
            }
            switch outcome {
            case .read(let parts, let prompt):
              for part in parts where !part.trees.isEmpty { styles.include(part.style) }
              for (number, row) in rows.enumerated() {
                try writer.append(row, index: index + number, prompt: prompt)
              }
            case .wrong(let mistake):
              mistaken += 1
              if mistakes.count < mayBeLeftOut + Self.namedMistakes { mistakes.append(mistake) }
            }
            index += max(1, rows.count)
          }
        }
      }
      guard mistaken <= mayBeLeftOut, mistaken == 0 || mistaken < report.records else {
        let note = omissions?.note(mistaken, of: report.records)
        throw CorpusError.badRecords(
          mistakes, note: note ?? (mistaken > mistakes.count ? "\(mistaken) records have mistakes" : nil))
      }
      guard renderedCount == 0 else { throw CorpusError.renderedChats(rendered, count: renderedCount) }
      guard writer.count > 0 else { throw report.emptiness }
      return Information(report: report, mistakes: mistakes, styles: styles)
    }
  }

  /// What is known about all examples together.
  struct Information: Sendable, Codable {
    let report: DatasetReport
    let mistakes: [RecordMistake]
    let styles: PromptStyles
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
          part.traits.isEqualPair = isEqualPair && parts.isEmpty
          part.isLeftOut = isEqualPair && dropsEqualPairs
          guard !part.isLeftOut else {
            parts.append(part)
            continue
          }
          switch try limit.applied(to: encoded) {
          case .fits: part.trees = [encoded.tree]
          case .truncated(let tree): (part.trees, part.isTruncated) = ([tree], true)
          case .pieces(let trees):
            part.trees = trees
            part.tokensBetweenPieces = trees.reduce(encoded.tree.sequenceLength) { $0 - $1.sequenceLength }
          case .dropped: break
          }
          parts.append(part)
        }
        self = .read(parts, prompt: records.first?.promptDigest.half ?? .zero)
      } catch {
        self = .wrong(RecordMistake(location: batch.location(place), problem: error))
      }
    } catch {
      self = .wrong(error)
    }
  }

  /// The trees of all examples.
  fileprivate var trees: [ExampleTree] {
    guard case .read(let parts, _) = self else { return [] }
    return parts.flatMap(\.trees)
  }

  /// Whether a record's two completions are equal: those of a pair, or of the two examples that KTO makes of one.
  private static func isEqualPair(_ examples: [EncodedExample]) -> Bool {
    guard examples.count == 2 else { return examples.first?.traits.isEqualPair ?? false }
    let (one, other) = (examples[0].tree, examples[1].tree)
    return one.label != other.label && one.prompt == other.prompt && one.completions == other.completions
  }
}
