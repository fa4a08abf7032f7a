// The files of a data set whose README.md says which they are.

import Checkpoints

extension DataFiles {
  /// The files of a split in a subset that the README.md lists; nil if they are found as those of any directory.
  /// - Throws: `CorpusError` if it is not clear which files are meant, or if some are missing.
  func files(of split: String?, subset name: String?, by card: DataCard) throws -> [String]? {
    guard let subset = card.subset(name) else {
      // A directory may have the name.
      if let name, entries.contains(where: { "/\($0.name)".contains("/\(name)/") }) || name == "default" { return nil }
      let names = list(Set(card.subsets.map(\.name)))
      throw failure(
        name.map { "its \(DataCard.fileName) lists no subset \"\($0)\" (name), but: \(names)" }
          ?? "its \(DataCard.fileName) lists several subsets: \(names); name one of them with name")
    }
    guard !subset.splits.isEmpty else {
      guard !subset.directory.isEmpty else { return nil }
      return try DataFiles(self, in: subset.directory).files(of: split, subset: nil)
    }
    let wanted = split ?? "train"
    let exact = subset.splits.filter { $0.name == wanted }
    let found = exact.isEmpty ? subset.splits.filter { DataSplit(named: $0.name).answers(to: wanted) } : exact
    guard found.count == 1 else {
      throw failure(
        "its \(DataCard.fileName) lists the splits \(list(Set(subset.splits.map(\.name)))) of \(subset.name); name one of them "
          + "with split")
    }
    var members: [String] = []
    for pattern in found[0].patterns {
      let place = subset.directory.isEmpty ? pattern : "\(subset.directory)/\(pattern)"
      let matching = entries.map(\.name).filter { FilePattern.matches($0, place) }
      guard !matching.isEmpty else {
        throw failure(
          "its \(DataCard.fileName) says that split \"\(found[0].name)\" of \(subset.name) is \(pattern), and no such file is here: "
            + "download it, or name the files with data_files")
      }
      members += matching.filter { !members.contains($0) }
    }
    return try paths(of: members, split: found[0].name)
  }
}
