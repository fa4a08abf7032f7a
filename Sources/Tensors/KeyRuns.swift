// Where the keys and values of a sequence are in a cache that many sequences share.

internal import CShoal

/// Rows of a cache in the order of their positions, as runs of adjacent rows.
package struct KeyRuns: Sendable, Equatable {
  package private(set) var runs: [Range<Int>] = []
  /// The number of rows.
  package private(set) var count = 0

  package init() {}

  package mutating func append(_ rows: Range<Int>) {
    guard !rows.isEmpty else { return }
    count += rows.count
    if let last = runs.last, last.upperBound == rows.lowerBound {
      runs[runs.count - 1] = last.lowerBound..<rows.upperBound
    } else {
      runs.append(rows)
    }
  }

  package func appending(_ rows: Range<Int>) -> KeyRuns {
    var all = self
    all.append(rows)
    return all
  }

  /// The row of the key at a place.
  /// - Precondition: the place is below `count`.
  package subscript(place: Int) -> Int {
    var left = place
    for run in runs {
      if left < run.count { return run.lowerBound + left }
      left -= run.count
    }
    preconditionFailure("place \(place) of \(count)")
  }

  /// The first `count` rows.
  package func prefix(_ count: Int) -> KeyRuns {
    var part = KeyRuns()
    for run in runs where part.count < count { part.append(run.prefix(count - part.count)) }
    return part
  }

  /// All rows but the first `count`.
  package func dropFirst(_ count: Int) -> KeyRuns {
    var (part, left) = (KeyRuns(), count)
    for run in runs {
      part.append(run.dropFirst(left))
      left = max(0, left - run.count)
    }
    return part
  }

  var shoal: [shoal_run] { runs.map { shoal_run(row: Int64($0.lowerBound), count: Int64($0.count)) } }

  func isInside(rows: Int) -> Bool { runs.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= rows } }

  /// The row of the first of keys places.lowerBound ..< places.upperBound, if they are adjacent rows.
  func firstRow(of places: Range<Int>) -> Int? {
    var before = 0
    for run in runs {
      if places.lowerBound < before + run.count {
        return places.upperBound <= before + run.count ? run.lowerBound + places.lowerBound - before : nil
      }
      before += run.count
    }
    return nil
  }
}
