// What a data file holds, by its name.

import Tensors

/// The format of a data file.
package enum DataFormat: String, Sendable, CaseIterable {
  /// Lines, or one array. The raw values are those of `ds_type`.
  case json
  /// With commas, or with tabs in a .tsv file.
  case csv
  case text
  case parquet

  /// How the bytes of a file are packed.
  enum Packing: String, CaseIterable {
    case gzip = ".gz"
    case zstd = ".zst"
  }

  private static let extensions: [(name: String, format: Self)] = [
    (".jsonl", .json), (".ndjson", .json), (".json", .json), (".csv", .csv), (".tsv", .csv), (".txt", .text),
    (".parquet", .parquet),
  ]

  /// For messages.
  static let names =
    "\(extensions.dropLast().map(\.name).joined(separator: ", ")) or \(extensions[extensions.count - 1].name)"

  /// The format of a file with this name; nil if it is not that of a data file.
  init?(path: String) {
    let name = Self.unpackedName(path).lowercased()
    guard let found = Self.extensions.first(where: { name.hasSuffix($0.name) }),
      // Parquet packs its own pages.
      found.format != .parquet || Self.packing(of: path) == nil
    else { return nil }
    self = found.format
  }

  /// Whether a name ends as that of a file of data does, be it one that is not read.
  static func isFileName(_ path: String) -> Bool {
    Self(path: path) != nil || packing(of: path) != nil || advice(for: path) != nil
  }

  static func packing(of path: String) -> Packing? {
    let name = path.lowercased()
    return Packing.allCases.first { name.hasSuffix($0.rawValue) }
  }

  /// The name without the ending that says how the file is packed.
  static func unpackedName(_ path: String) -> String {
    packing(of: path).map { String(path.dropLast($0.rawValue.count)) } ?? path
  }

  /// How a file of a format that is not read becomes one that is; nil if nothing is known.
  static func advice(for path: String) -> String? {
    let name = unpackedName(path).lowercased()
    let one =
      "python3 -c 'import pandas; pandas.read_%.to_json(\"data.jsonl\", orient=\"records\", lines=True)' makes JSON lines"
    if name.hasSuffix(".arrow") {
      return
        "python3 -c 'import datasets; datasets.Dataset.from_file(\"\(path)\").to_json(\"data.jsonl\")' makes JSON lines of it"
    }
    if name.hasSuffix(".xlsx") || name.hasSuffix(".xls") {
      return one.replacing("%", with: "excel(\"\(path)\")") + " of it"
    }
    for (ending, command) in [(".zip", "unzip"), (".bz2", "bunzip2"), (".xz", "unxz"), (".7z", "7z x")]
    where name.hasSuffix(ending) { return "\(command) \(path) unpacks it" }
    return nil
  }
}
