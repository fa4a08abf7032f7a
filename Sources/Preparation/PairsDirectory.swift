// The directory of `shoal prepare pairs`: its report lists the other files, which proves what may be replaced.

package import Checkpoints
import Glibc
import Tensors

/// A directory that pairs are written to, or were.
package struct PairsDirectory {
  static let reportName = "report.json"
  /// The report comes last: if it exists, the other files are complete.
  static let fileNames = [
    "train.jsonl", "test.jsonl", "heldout.jsonl", "references.jsonl", "rejects.jsonl", reportName,
  ]

  private static let hashes = "files_sha256"

  private let path: String

  package init(_ path: String) { self.path = path.isEmpty ? "." : path }

  /// The report with the hash of every other file.
  static func text(_ report: JSONValue, files: [JSONValue.Member]) -> String {
    JSONValue.object((report.members ?? []) + [.init(hashes, .object(files))]).serialized(indent: 2) + "\n"
  }

  /// Requires, before any work, that nothing is replaced that an earlier preparation did not write.
  /// - Throws: `OutputRefusal`; `FileError` when the directory cannot be written.
  package func requireFree(overwrites: Bool, inputs: [InputPath]) throws {
    try OutputTarget.requireDirectory(path, inputs: inputs)
    try requireWritable(path)
    let own = overwrites ? ownFiles : []
    for name in Self.fileNames where entryExists("\(path)/\(name)") {
      let file = "\(path)/\(name)"
      if let input = inputs.first(where: { isSameFile($0.path, file) }) {
        throw OutputRefusal.isInput(path: file, input: input)
      }
      guard overwrites else { throw OutputRefusal.exists(path: file) }
      guard own.contains(name) else { throw OthersFile(path: file) }
    }
  }

  /// The report itself, if it is one, and the files that are as it lists them.
  private var ownFiles: [String] {
    let reportPath = "\(path)/\(Self.reportName)"
    guard EntryKind(reportPath) == .file, let report = try? JSONValue.read(file: reportPath, limit: 1 << 20),
      let listed = report[Self.hashes]?.members
    else { return [] }
    return [Self.reportName]
      + listed.filter { file in
        let path = "\(path)/\(file.name)"
        return EntryKind(path) == .file
          && (try? ContentHash(cacheDirectory: nil).sha256(ofFile: path)) == file.value.string
      }.map(\.name)
  }

  /// Requires that the directory can be written, or can be created with its parents.
  private func requireWritable(_ directory: String) throws(FileError) {
    if access(directory, W_OK) == 0 { return }
    guard errno == ENOENT, directory != "/" else {
      throw FileError(path: directory, action: "write to the directory", code: errno)
    }
    var parent = directory
    while parent.hasSuffix("/") { parent.removeLast() }
    let slash = parent.lastIndex(of: "/")
    try requireWritable(slash.map { $0 == parent.startIndex ? "/" : String(parent[..<$0]) } ?? ".")
  }
}

/// A file in the directory that no report of an earlier preparation lists, or that was changed since.
struct OthersFile: UserError, Equatable {
  let path: String

  var description: String {
    "\(path): nothing proves that shoal prepare wrote it (report.json does not list it, or it was changed since): "
      + "name another --out-dir, or move it away"
  }
}
