// Which records of a data set are left out, by the configuration.

/// What a run leaves out instead of being refused or training on it.
package struct DataOmissions: Sendable, Equatable, Codable {
  /// `skip_bad_records`: how many records with mistakes may be left out.
  package var mistakes: Int
  /// How many of these were left out of other data before.
  package var taken = 0
  /// `drop_equal_pairs`: whether pairs with equal completions are.
  package var equalPairs: Bool

  package init(mistakes: Int, equalPairs: Bool) { (self.mistakes, self.equalPairs) = (mistakes, equalPairs) }

  /// What to say of mistakes that are too many.
  func note(_ count: Int, of records: Int) -> String? {
    if mistakes > 0 {
      let before = taken > 0 ? ", and \(taken) were left out before" : ""
      return "\(count) of \(records) records have mistakes: skip_bad_records allows \(mistakes)\(before)"
    }
    return count < records
      ? "\(count) of \(records) records have mistakes: skip_bad_records: \(count) leaves as many out" : nil
  }
}
