// The README.md of a data set, where it says which files belong to which subset and split.

import Checkpoints
import Tensors

/// The `configs` in the header of a README.md, as the hub's library reads them.
struct DataCard {
  /// The files of a subset; without a list of its own they are found as those of a directory.
  struct Subset {
    let name: String
    let isDefault: Bool
    /// The directory that it lies in, relative to the data set's.
    let directory: String
    let splits: [(name: String, patterns: [String])]
  }

  static let fileName = "README.md"
  private static let maximumBytes = 4 << 20
  /// The headers of large collections list the columns of each subset.
  private static let limits = YAMLDocument.Limits(values: 1_000_000, levels: 64)

  let subsets: [Subset]

  /// Nil if the data set's directory has no README.md that lists subsets.
  /// - Throws: `FileError`; `CorpusError` for a header that is not YAML.
  init?(directory: String) throws {
    let path = "\(directory)/\(Self.fileName)"
    guard entryExists(path), let header = Self.header(of: try smallFile(path, limit: Self.maximumBytes)) else {
      return nil
    }
    let content: JSONValue
    do throws(YAMLEvents.Failure) {
      content = try YAMLDocument(header, limits: Self.limits) { YAMLScalar.word($0) == .null ? .null : .string($0) }
        .value
    } catch {
      // The mark before the header is a line too.
      throw CorpusError.unusable(
        path: path, reason: "line \(error.line + 1): not YAML: \(error.reason): name the files with data_files")
    }
    subsets = (content["configs"]?.array ?? []).compactMap(Subset.init)
    if subsets.isEmpty { return nil }
  }

  /// What stands between the first two lines of three dashes.
  private static func header(of bytes: [UInt8]) -> String? {
    let lines = String(decoding: bytes, as: UTF8.self).split(omittingEmptySubsequences: false) { $0.isNewline }
    guard lines.first == "---", let end = lines.dropFirst().firstIndex(of: "---") else { return nil }
    return lines[1..<end].joined(separator: "\n")
  }

  /// The subset of that name; without a name the one that is the default, or the only one.
  func subset(_ name: String?) -> Subset? {
    guard let name else {
      return subsets.count == 1
        ? subsets[0] : subsets.first(where: \.isDefault) ?? subsets.first { $0.name == "default" }
    }
    return subsets.first { $0.name == name }
  }
}

extension DataCard.Subset {
  fileprivate init?(_ value: JSONValue) {
    guard let name = value["config_name"]?.string else { return nil }
    let files = value["data_files"] ?? .null
    let splits: [(name: String, patterns: [String])]
    if let members = files.members {
      splits = members.map { ($0.name, Self.texts($0.value)) }
    } else if let items = files.array, items.contains(where: { $0["split"] != nil }) {
      splits = items.compactMap { item in
        item["split"]?.string.map { ($0, Self.texts(item["path"] ?? .null)) }
      }
    } else {
      splits = files.isNull ? [] : [("train", Self.texts(files))]
    }
    let directory = withoutTrailingSlashes(Self.place(value["data_dir"]?.string ?? ""))
    self.init(
      name: name, isDefault: value["default"]?.string?.lowercased() == "true", directory: directory, splits: splits)
  }

  private static func texts(_ value: JSONValue) -> [String] {
    (value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? []).map(place)
  }

  private static func place(_ path: String) -> String { path.hasPrefix("./") ? String(path.dropFirst(2)) : path }
}
