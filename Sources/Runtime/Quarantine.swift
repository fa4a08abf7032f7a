// Records that are excluded from a run because they crash the program.

package import Checkpoints

/// Record numbers in the data sets that contain the records.
package struct Quarantine: Sendable, Equatable, Codable {
  package var training: Set<Int> = []
  package var heldOut: Set<Int> = []

  package init(training: Set<Int> = [], heldOut: Set<Int> = []) { (self.training, self.heldOut) = (training, heldOut) }

  package var isEmpty: Bool { training.isEmpty && heldOut.isEmpty }

  /// The records of both.
  package func union(_ other: Quarantine) -> Quarantine {
    Quarantine(training: training.union(other.training), heldOut: heldOut.union(other.heldOut))
  }

  /// Without the records of another.
  package func subtracting(_ other: Quarantine) -> Quarantine {
    Quarantine(training: training.subtracting(other.training), heldOut: heldOut.subtracting(other.heldOut))
  }

  /// For example `record 7` or `records 3, 4; held-out record 1`.
  package var text: String {
    [
      training.isEmpty ? nil : recordList(training.sorted()),
      heldOut.isEmpty ? nil : "held-out " + recordList(heldOut.sorted()),
    ]
    .compactMap { $0 }.joined(separator: "; ")
  }

  /// The lists `training` and `held_out`.
  package var json: JSONValue {
    func list(_ records: Set<Int>) -> JSONValue { .array(records.sorted().map { .integer(Int64($0)) }) }
    return .object([.init("training", list(training)), .init("held_out", list(heldOut))])
  }

  /// Nil if the value is not a list of records.
  package init?(_ json: JSONValue) {
    func list(_ name: String) -> Set<Int>? {
      let numbers = json[name]?.array.map { $0.map(\.int) }
      guard let numbers, numbers.allSatisfy({ $0 ?? -1 >= 0 }) else { return nil }
      return Set(numbers.compactMap { $0 })
    }
    guard let training = list("training"), let heldOut = list("held_out") else { return nil }
    self.init(training: training, heldOut: heldOut)
  }
}

/// For example `record 7` or `records 3, 7`: record numbers in the data, from 0.
package func recordList(_ indices: [Int]) -> String {
  "record\(indices.count == 1 ? "" : "s") " + indices.map(String.init).joined(separator: ", ")
}
