// Which files a data set is: a file, a pattern, or a directory as the hub's tools leave it, with splits and subsets.

import Checkpoints
import Foundation
import Tensors

/// The data files of a path, by split and subset.
package struct DataFiles {
  /// A file of a directory.
  struct Entry {
    /// Relative to the directory.
    let name: String
    let split: DataSplit
  }

  let root: String
  let entries: [Entry]
  private let card: DataCard?

  /// Whether a name is that of a data file.
  package static func isData(_ path: String) -> Bool { DataFormat(path: path) != nil }

  /// The files of a path that belong to a split, by name.
  /// - Parameters:
  ///   - path: a name of the hub, a file, a pattern with `*`, `?`, `[…]` or `**`, or a directory, which is searched with what is below it.
  ///   - split: nil: `train`. A file alone is the whole data set, whatever its name is.
  ///   - subset: the directory of a subset inside the data set's (`name`); nil: there is one set of files.
  ///   - revision: of a data set of the hub, which its cache has.
  /// - Throws: `CorpusError` if there is no such file, or if it is not clear which files are meant; `HubRefusal` for what
  ///   the hub's cache lacks.
  package static func at(
    _ path: String, split: String? = nil, subset: String? = nil, revision: String? = nil
  ) throws -> [String] {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      if let found = try HubDataset(path)?.path(revision: revision) {
        return try at(found, split: split, subset: subset)
      }
      if path.contains(where: { "*?[".contains($0) }) { return try FilePattern.files(path, split: split) }
      throw CorpusError.unusable(
        path: path,
        reason: path.contains("://")
          ? "addresses are not read: download the file, or give a data set of the hub as OWNER/NAME"
          : "no such file or directory")
    }
    guard isDirectory.boolValue else {
      guard split == nil || split == "train" || DataSplit(ofFile: path).answers(to: split ?? "") else {
        throw CorpusError.unusable(path: path, reason: "a single file has no split \"\(split ?? "")\", only train")
      }
      return [path]
    }
    return try DataFiles(directory: path).files(of: split, subset: subset)
  }

  // MARK: Directories

  /// What the hub's library writes beside data.
  private static let descriptions: Set<String> = [
    "dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json",
  ]

  init(directory root: String) throws {
    guard (try? FileManager.default.contentsOfDirectory(atPath: root)) != nil else {
      throw CorpusError.unusable(path: root, reason: "the directory cannot be listed: check its permissions")
    }
    let all = try FilePattern.names(below: root)
    let names = all.filter {
      Self.isData($0) && !Self.descriptions.contains(($0 as NSString).lastPathComponent)
    }
    guard !names.isEmpty else {
      let other = all.first { DataFormat.advice(for: $0) != nil }
      throw CorpusError.unusable(
        path: root,
        reason: "the directory holds no \(DataFormat.names) file"
          + (other.flatMap { DataFormat.advice(for: "\(root)/\($0)") }.map { ": \($0)" } ?? ""))
    }
    self.root = root
    card = try DataCard(directory: root)
    entries = names.map { Entry(name: $0, split: DataSplit(ofFile: $0)) }
  }

  /// Those of its files that lie in a directory of it.
  init(_ files: DataFiles, in directory: String) {
    (root, card) = (files.root, nil)
    entries = files.entries.filter { $0.name.hasPrefix("\(directory)/") }
  }

  func failure(_ reason: String) -> CorpusError { CorpusError.unusable(path: root, reason: reason) }

  func files(of split: String?, subset: String?) throws -> [String] {
    if let card, let files = try files(of: split, subset: subset, by: card) { return files }
    var entries = entries
    if let subset {
      let members = entries.filter { $0.name.hasPrefix("\(subset)/") || $0.name.contains("/\(subset)/") }
      // The hub's library calls the files of a data set without subsets so.
      if !members.isEmpty || subset != "default" { entries = members }
      guard !entries.isEmpty else {
        let others = Set(subsets(self.entries))
        throw failure(
          "no directory in it is called \"\(subset)\" (name), "
            + (others.isEmpty ? "and it has no subsets: leave it out" : "there are: \(list(others))"))
      }
    }
    let wanted = split ?? "train"
    let exact = entries.filter { $0.split.name == wanted }
    let members = exact.isEmpty ? entries.filter { $0.split.answers(to: wanted) } : exact
    guard !members.isEmpty else {
      // Parts of one set, such as part-00000-of-00008.
      if split == nil, Set(entries.map(\.split.name)).count == 1, entries.allSatisfy(\.split.isNameless) {
        return try paths(of: entries.map(\.name), split: wanted)
      }
      throw failure(
        "no file is of split \"\(wanted)\", there is only: \(list(Set(entries.map(\.split.name)))); split names one")
    }
    let splits = Set(members.map(\.split.name))
    guard splits.count == 1 else {
      throw failure("the files are of several splits: \(list(splits)); name one of them with split")
    }
    // Two files of one name are the same part of two subsets.
    let files = members.map { ($0.name as NSString).lastPathComponent }
    guard Set(files).count == files.count else {
      throw failure("there are several subsets: \(list(Set(subsets(members)))); name one of them with name")
    }
    return try paths(of: members.map(\.name), split: wanted)
  }

  /// The paths of files that belong together.
  /// - Throws: `CorpusError` if they are of several formats, or if one of them is missing.
  func paths(of members: [String], split: String) throws -> [String] {
    let formats = Set(members.compactMap { DataFormat(path: $0) })
    guard formats.count == 1 else {
      throw failure(
        "split \"\(split)\" has files of several formats, such as \(list(Set(formats.map { format in members.first { DataFormat(path: $0) == format } ?? "" }))): name the files with data_files"
      )
    }
    if let missing = Self.missingPart(of: members) {
      throw failure(
        "\(missing) is missing: the other parts of that split are there; download it, or name the files with data_files"
      )
    }
    return members.map { root.hasSuffix("/") ? root + $0 : "\(root)/\($0)" }
  }

  /// The first file that is missing between `…-00000-of-00003.parquet` and its like, without what follows the number: each
  /// may have a hash of its own there.
  private static func missingPart(of names: [String]) -> String? {
    struct Parts: Hashable { let prefix, count: Substring }
    var numbers: [Parts: Set<Substring>] = [:]
    for name in names {
      guard let match = name.wholeMatch(of: #/(.*-)(\d{3,8})-of-(\d{3,8}).*/#) else { continue }
      numbers[Parts(prefix: match.1, count: match.3), default: []].insert(match.2)
    }
    let missing = numbers.compactMap { parts, numbers -> String? in
      guard let count = Int(parts.count), numbers.count < count, let width = numbers.first?.count else { return nil }
      // One of the first so many is not there.
      let padded = (0...numbers.count).lazy.map { number in
        String(repeating: "0", count: max(0, width - String(number).count)) + String(number)
      }
      return padded.first { !numbers.contains(Substring($0)) }.map { "\(parts.prefix)\($0)-of-\(parts.count)" }
    }
    return missing.min()
  }

  /// The directories that files lie in, without those that say nothing.
  private func subsets(_ entries: [Entry]) -> [String] {
    entries.compactMap { entry in
      entry.name.split(separator: "/").dropLast().map(String.init).first {
        $0 != "data" && DataSplit.family(ofWord: $0.lowercased()) == nil
      }
    }
  }

  func list(_ names: Set<String>) -> String { names.sorted().joined(separator: ", ") }
}
