// The splits of a data set: how files are assigned to them, and how a configuration names a part of one.

import Foundation
import Tensors

/// The split that a file belongs to, by its name.
///
/// As in the hub's libraries, `train_prefs-00000-of-00001.parquet` belongs to `train_prefs`, and otherwise a word of the
/// file's name, or of a directory's, assigns it (`test.jsonl`); without such a word it belongs to `train`.
struct DataSplit: Equatable {
  let name: String
  /// `train`, `validation` or `test`; nil for a name of its own.
  private let family: String?

  private static let words = [
    "train": ["train", "training"], "validation": ["validation", "valid", "dev", "val"],
    "test": ["test", "testing", "eval", "evaluation"],
  ]

  static func family(ofWord word: String) -> String? { words.first { $0.value.contains(word) }?.key }

  init(ofFile path: String) {
    let parts = path.split(separator: "/").map(String.init)
    var stem = DataFormat.unpackedName(parts.last ?? "")
    stem = stem.contains(".") ? (stem as NSString).deletingPathExtension : stem
    let shard = stem.firstMatch(of: #/-\d{3,}-of-\d{3,}.*$/#)
    if let shard { stem = String(stem[..<shard.range.lowerBound]) }
    let bare = stem.replacing(#/[\-_.\s]*\d+$/#, with: "")
    let words = bare.lowercased().split { !$0.isLetter }.map(String.init)
    let found = words.first { Self.family(ofWord: $0) != nil }
    if let found, words.first == found, bare.wholeMatch(of: #/[A-Za-z][A-Za-z_]*/#) != nil {
      // `train_prefs`, but `valid` for validation.
      family = Self.family(ofWord: found)
      name = words.count == 1 ? family ?? bare : bare
    } else if let found {
      family = Self.family(ofWord: found)
      name = family ?? bare
    } else if let directory = parts.dropLast().last(where: { Self.family(ofWord: $0.lowercased()) != nil }) {
      family = Self.family(ofWord: directory.lowercased())
      name = family ?? directory
    } else {
      family = shard == nil || bare.isEmpty ? "train" : nil
      name = family ?? bare
    }
  }

  /// Whether the name says nothing of a split that the hub's library knows.
  var isNameless: Bool { family == nil }

  /// A split that a README.md names.
  init(named name: String) {
    (self.name, family) = (
      name, name.lowercased().split { !$0.isLetter }.first.flatMap { Self.family(ofWord: String($0)) }
    )
  }

  /// Whether the files of a split that a configuration names include this one.
  func answers(to wanted: String) -> Bool { name == wanted || family == Self.family(ofWord: wanted) && family != nil }
}

/// `split`: one or several splits, each whole or a part, as in the hub's library: `train`, `train[:10%]`,
/// `train[5:100]`, `train[-50:]+test`.
package struct SplitSelection: Sendable, Equatable {
  package struct Part: Sendable, Equatable {
    /// nil: the split of files that have none in their name, `train`.
    var name: String?
    var start: Bound?
    var end: Bound?

    var isWhole: Bool { start == nil && end == nil }
  }

  /// A place among the records; from the end if it is negative.
  enum Bound: Sendable, Equatable {
    case record(Int)
    case percent(Int)

    /// The place in a split of `count` records; nil beyond its ends.
    func place(of count: Int) -> Int? {
      switch self {
      case .record(let number):
        guard number.magnitude <= count else { return nil }
        return number < 0 ? count + number : number
      case .percent(let percent):
        guard percent.magnitude <= 100 else { return nil }
        // As Python rounds: halves to the even number.
        let place = Int((Double(percent) * Double(count) / 100).rounded(.toNearestOrEven))
        return place < 0 ? count + place : place
      }
    }
  }

  package let text: String
  let parts: [Part]

  /// All of `train`.
  package static let train = SplitSelection()

  private init() { (text, parts) = ("", [Part()]) }

  /// nil if the text does not name parts of splits.
  package init?(_ text: String) {
    var parts: [Part] = []
    for part in text.split(separator: "+", omittingEmptySubsequences: false) {
      let spec = part.trimmingCharacters(in: .whitespaces)
      guard let match = spec.wholeMatch(of: #/([\w.\-]+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?/#) else { return nil }
      func bound(_ text: Substring) -> Bound? {
        text.hasSuffix("%") ? Int(text.dropLast()).map(Bound.percent) : Int(text).map(Bound.record)
      }
      let (start, end) = (match.2.flatMap(bound), match.3.flatMap(bound))
      // Digits beyond any number.
      guard (start != nil) == (match.2 != nil), (end != nil) == (match.3 != nil) else { return nil }
      parts.append(Part(name: String(match.1), start: start, end: end))
    }
    (self.text, self.parts) = (text, parts)
  }

  /// The records of a part, of a split with `count` records.
  /// - Throws: `CorpusError` if a bound lies outside.
  static func range(_ part: Part, of count: Int, path: String) throws -> Range<Int> {
    guard let start = (part.start ?? .record(0)).place(of: count),
      let end = (part.end ?? .record(count)).place(of: count)
    else {
      throw CorpusError.unusable(path: path, reason: "split asks for records outside of the \(count) that there are")
    }
    return start..<max(start, end)
  }
}
