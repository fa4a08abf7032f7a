// From files to example trees: every record is read, checked, encoded and cut to length, in parallel and in
// order; all that is wrong is reported at once.

import Dispatch
import Tensors

/// Examples ready to be trained on, and what became of the records they came from.
package struct Dataset: Sendable {
  /// In the order of the records; an example's `index` is its record's number over all files, from 0.
  package let examples: [ExampleTree]
  package let report: DatasetReport

  /// One entry of the configuration's `datasets`.
  package struct Source: Sendable, Equatable {
    /// Files or directories.
    package var paths: [String]
    package var fields: PreferenceFields

    package init(paths: [String], fields: PreferenceFields = PreferenceFields()) {
      self.paths = paths
      self.fields = fields
    }
  }

  /// Reads preference records from all sources, one after the other.
  /// - Throws: `FileError` or `CorpusError` when a file cannot be read, any record is wrong (the error names
  ///   the first 20), or none is left.
  package init(sources: [Source], encoder: PreferenceEncoder, limit: LengthLimit) throws {
    var examples: [ExampleTree] = []
    var report = DatasetReport(limit: limit)
    var mistakes: [RecordMistake] = []
    for source in sources {
      for path in try source.paths.flatMap(RecordReader.files(at:)) {
        let reader = try RecordReader(path: path)
        let first = report.records
        let outcomes = Self.inParallel(count: reader.count) { place in
          Outcome(reader, place, fields: source.fields, index: first + place, encoder, limit)
        }
        for (place, outcome) in outcomes.enumerated() {
          report.count(outcome, at: reader.location(place))
          switch outcome {
          case .kept(let example, _, _): examples.append(example)
          case .dropped: break
          case .wrong(let mistake): mistakes.append(mistake)
          }
        }
      }
    }
    guard mistakes.isEmpty else {
      throw CorpusError.badRecords(
        Array(mistakes.prefix(CorpusError.namedRecords)), count: mistakes.count)
    }
    guard !examples.isEmpty else {
      throw CorpusError.nothingFits(records: report.records, limit: limit.sequenceLength)
    }
    self.examples = examples
    self.report = report
  }

  /// What became of one record.
  enum Outcome: Sendable {
    case kept(ExampleTree, from: EncodedPreference.Traits, isTruncated: Bool)
    case dropped
    case wrong(RecordMistake)

    init(
      _ reader: RecordReader, _ place: Int, fields: PreferenceFields, index: Int,
      _ encoder: PreferenceEncoder,
      _ limit: LengthLimit
    ) {
      do {
        let value = try reader.record(place)
        do {
          let record = try PreferenceRecord(value, fields: fields)
          let encoded = try encoder.encode(record, index: index)
          self =
            switch try limit.applied(to: encoded) {
            case .fits: .kept(encoded.tree, from: encoded.traits, isTruncated: false)
            case .truncated(let tree): .kept(tree, from: encoded.traits, isTruncated: true)
            case .dropped: .dropped
            }
        } catch {
          self = .wrong(RecordMistake(location: reader.location(place), problem: error))
        }
      } catch {
        self = .wrong(error)
      }
    }
  }

  /// The results of `body` for 0..<count, in order.
  private static func inParallel<Result: Sendable>(
    count: Int, _ body: @Sendable (Int) -> Result
  ) -> [Result] {
    // Records differ in length: blocks of a few keep all cores busy to the end.
    let block = 16
    return Array(unsafeUninitializedCapacity: count) { buffer, initialized in
      // Every block writes its own elements only.
      nonisolated(unsafe) let results = buffer
      DispatchQueue.concurrentPerform(iterations: (count + block - 1) / block) { number in
        for place in number * block..<min((number + 1) * block, count) {
          results.initializeElement(at: place, to: body(place))
        }
      }
      initialized = count
    }
  }
}

// MARK: Held-out examples

/// `val_set_size`: how much of the data is held out.
package enum ValidationSize: Sendable, Equatable {
  /// A share between 0 and 1, rounded up to whole examples.
  case share(Double)
  case count(Int)
}

extension Dataset {
  /// Holds out examples chosen by the seed; both parts keep the order of the data.
  /// - Throws: `CorpusError` when one part would be empty.
  package func split(
    holdingOut size: ValidationSize, seed: UInt64
  ) throws -> (training: [ExampleTree], validation: [ExampleTree]) {
    let wanted: Int
    switch size {
    case .count(let count): wanted = count
    case .share(let share):
      guard share > 0, share < 1 else {
        throw CorpusError.badValidationSize("expected a share between 0 and 1 or a count, found \(share)")
      }
      wanted = Int((share * Double(examples.count)).rounded(.up))
    }
    guard wanted > 0, wanted < examples.count else {
      throw CorpusError.badValidationSize(
        "holding out \(wanted) of \(examples.count) examples leaves none on one side")
    }
    let order = CounterRandom(key: seed).permutation(count: examples.count, stream: RandomStream.validation)
    let held = Set(order.prefix(wanted))
    return (
      examples.indices.filter { !held.contains($0) }.map { examples[$0] },
      held.sorted().map { examples[$0] }
    )
  }
}
