// The result of reading a record.

/// Records with a chat in a text that is rendered already.
package struct RenderedRecords: Sendable, Equatable {
  package private(set) var count = 0
  package private(set) var first: [RecordLocation] = []

  mutating func count(_ outcome: RecordOutcome, at location: RecordLocation) {
    guard case .read(let parts) = outcome, parts.contains(where: \.traits.holdsRenderedChat) else { return }
    count += 1
    if first.count < DatasetReport.namedRecords { first.append(location) }
  }
}

/// The result of reading one record.
enum RecordOutcome: Sendable {
  case read([Part])
  case wrong(RecordMistake)

  /// An example of the record: its trees, or no tree if it was dropped.
  struct Part {
    var trees: [ExampleTree]
    var traits: EncodedExample.Traits
    var style: PromptStyle
    var isTruncated = false
  }
}
