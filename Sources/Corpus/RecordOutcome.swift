// What became of a record.

/// What became of one record.
enum RecordOutcome: Sendable {
  case read([Part])
  case wrong(RecordMistake)

  /// An example of the record: the trees it became, none when it was dropped.
  struct Part {
    var trees: [ExampleTree]
    var traits: EncodedExample.Traits
    var isTruncated = false
  }
}
