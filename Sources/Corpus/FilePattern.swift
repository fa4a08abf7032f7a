// Data files by a pattern of their names.

import Foundation

/// Patterns with `*`, `?` and `[…]`, and `**` for any directories.
enum FilePattern {
  /// The files that a pattern names, of a split if one other than `train` is asked for.
  /// - Throws: `CorpusError` if there are none.
  static func files(_ pattern: String, split: String? = nil) throws -> [String] {
    let parts = pattern.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    let fixed = parts.prefix { part in !part.contains { "*?[".contains($0) } }
    let prefix = fixed.joined(separator: "/")
    let root = fixed.isEmpty ? "." : prefix.isEmpty ? "/" : prefix
    let wanted = Array(parts[fixed.count...])
    let found = try names(below: root).filter { name in
      Self.matches(name.split(separator: "/").map(String.init)[...], wanted[...])
    }
    guard !found.isEmpty else { throw CorpusError.unusable(path: pattern, reason: "no file matches the pattern") }
    var files = found.filter { DataFormat(path: $0) != nil }
    guard !files.isEmpty else {
      throw CorpusError.unusable(
        path: pattern, reason: "no file that matches is a \(DataFormat.names) file, such as \(found[0])")
    }
    if let split, split != "train" {
      files = files.filter { DataSplit(ofFile: $0).answers(to: split) }
      guard !files.isEmpty else {
        throw CorpusError.unusable(path: pattern, reason: "no file that matches is of split \"\(split)\"")
      }
    }
    return files.map { fixed.isEmpty ? $0 : root == "/" ? "/" + $0 : "\(root)/\($0)" }
  }

  /// Whether a file's name, relative to the pattern's directory, is one that the pattern means.
  static func matches(_ name: String, _ pattern: String) -> Bool {
    matches(name.split(separator: "/").map(String.init)[...], pattern.split(separator: "/").map(String.init)[...])
  }

  private static func matches(_ name: ArraySlice<String>, _ pattern: ArraySlice<String>) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    let rest = pattern.dropFirst()
    if first == "**" {
      return (name.startIndex...name.endIndex).contains { matches(name[$0...], rest) }
    }
    guard let part = name.first, fnmatch(first, part, FNM_PERIOD) == 0 else { return false }
    return matches(name.dropFirst(), rest)
  }

  /// All files below a directory, relative to it, in the order of their bytes; hidden ones are left out.
  static func names(below root: String) throws -> [String] {
    guard let entries = FileManager.default.enumerator(atPath: root) else {
      throw CorpusError.unusable(path: root, reason: "the directory cannot be listed: check its permissions")
    }
    var names: [String] = []
    while let name = entries.nextObject() as? String {
      let isHidden = name.split(separator: "/").last?.hasPrefix(".") ?? false
      let isDirectory = entries.fileAttributes?[.type] as? FileAttributeType == .typeDirectory
      if isHidden, isDirectory { entries.skipDescendants() }
      if !isHidden, !isDirectory { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
