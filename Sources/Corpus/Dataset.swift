// The examples of some files: every record read, checked, encoded and truncated. All errors are reported together.

import Checkpoints

/// Examples for training, and a report about their records.
package struct Dataset: Sendable {
  /// In the order of the records. An example's `index` is its record's number over all files, from 0, if each earlier
  /// record made at most one example. Several examples of one record get consecutive numbers.
  package let examples: ExampleList
  package let report: DatasetReport
  /// The records that were left out because they cannot be used.
  package let mistakes: [RecordMistake]
  /// Of the records that made examples.
  package let styles: PromptStyles
  /// What to tell the user about the place of the examples.
  package let notice: String?

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

  /// Reads the records of all sources, one after the other, unless a file has their examples.
  /// - Parameters:
  ///   - kind: the wanted kind; nil accepts any.
  ///   - seed: selects the records of shards.
  ///   - omissions: nil: nothing is left out, and there are no keys for it.
  ///   - store: where examples of large data are kept; nil keeps all in memory.
  /// - Throws: `FileError` or `CorpusError` if a file cannot be read, more records are wrong than may be left out, or no
  ///   example is left.
  package init(
    sources: [Source], kind: ExampleKind? = nil, encoder: ExampleEncoder, limit: LengthLimit, seed: UInt64 = 0,
    omitting omissions: DataOmissions? = nil, store: ExampleStore? = nil
  ) throws {
    let reading = Reading(
      sources: sources, kind: kind, encoder: encoder, limit: limit, seed: seed, omissions: omissions)
    let found: ExampleStore.Found<Information>
    if let store {
      let files = try reading.files
      found = try store.examples(of: files, settings: reading.settings) { writer in
        let information = try reading.write(to: writer)
        guard try reading.files == files else {
          throw ContentError(
            sources.flatMap(\.paths).joined(separator: ", "), "other files were there while it was read")
        }
        return information
      }
    } else {
      found = try ExampleStore.inMemory(reading.write)
    }
    examples = ExampleList(found.bytes)
    (report, mistakes, styles) = (found.information.report, found.information.mistakes, found.information.styles)
    notice = found.notice
  }
}

extension Dataset {
  /// The data set with the examples at these places alone; the report is that of all.
  package func selecting(_ places: [Int]) -> Dataset { Dataset(self, places) }

  private init(_ other: Dataset, _ places: [Int]) {
    examples = other.examples.selecting(places.map(Int32.init))
    (report, mistakes, styles, notice) = (other.report, other.mistakes, other.styles, other.notice)
  }
}
