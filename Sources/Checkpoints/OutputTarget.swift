// Where a command was asked to write: checked before any work, in one place for all commands.

import Glibc
import Tensors

/// A place that a command may not write to.
package enum OutputRefusal: UserError, Equatable {
  case exists(path: String)
  case isLink(path: String, target: String, mayReplace: Bool)
  case isDirectory(path: String)
  case isSpecial(path: String)
  case isInput(path: String, input: InputPath)
  case liesInInput(path: String, input: InputPath)
  /// A directory that cannot be replaced: why, and what to do.
  case directoryExists(path: String, reason: String)

  package var description: String {
    switch self {
    case .exists(let path): "\(path) is there already: name another place, or add --overwrite"
    case .isLink(let path, let target, let mayReplace):
      "\(path): is a symbolic link to \(target), and links are not followed for writing; "
        + (mayReplace
          ? "name its target, or add --overwrite, which replaces the link and leaves its target" : "name its target")
    case .isDirectory(let path): "\(path): is a directory, expected a file"
    case .isSpecial(let path): "\(path): is neither a file nor a pipe or device that can be written to"
    case .isInput(let path, let input):
      "\(path): is \(path == input.path ? "" : "the same as \(input.path), ")what \(input.option) names and what is "
        + "read; name another place"
    case .liesInInput(let path, let input):
      "\(path): lies in \(input.path), which \(input.option) names and which is read; name another place"
    case .directoryExists(let path, let reason):
      "\(path): cannot write a new directory: File exists: \(reason)"
    }
  }
}

/// An output of a command.
///
/// A file that exists is replaced only with `--overwrite`, a directory only if its manifest proves all of it Shoal's.
/// An input is never an output. No link is followed: with `--overwrite` the link itself is replaced by the new file, as
/// a rename does, so that its target stays as it is.
package struct OutputTarget: Sendable {
  package let path: String
  /// Whether what is there is replaced.
  package let replaces: Bool
  private let permissions: FilePermissions

  /// A file, or a pipe or device that is written to as it is; `-` is standard output.
  /// - Throws: `OutputRefusal`; `FileError` when its directory cannot be written.
  package init(
    file path: String, overwrites: Bool, inputs: [InputPath], permissions: FilePermissions = .umask
  ) throws {
    (self.path, replaces, self.permissions) = (path, overwrites, permissions)
    guard !Self.isStream(path) else { return }
    for input in inputs { if let conflict = input.conflict(withFile: path) { throw conflict } }
    switch EntryKind(path) {
    case nil: break
    case .file: guard overwrites else { throw OutputRefusal.exists(path: path) }
    case .link:
      guard overwrites else { throw OutputRefusal.isLink(path: path, target: linkTarget(path), mayReplace: true) }
    case .directory: throw OutputRefusal.isDirectory(path: path)
    case .stream, .other: throw OutputRefusal.isSpecial(path: path)
    }
    guard !path.isEmpty, !path.hasSuffix("/") else { throw OutputRefusal.isDirectory(path: path) }
    try Self.requireWritable(parentDirectory(of: path))
  }

  /// A new directory, or one that an earlier command wrote and that `--overwrite` replaces.
  /// - Throws: `OutputRefusal`; `FileError` when its parent cannot be written.
  package init(directory path: String, overwrites: Bool, inputs: [InputPath]) throws {
    (self.path, replaces, permissions) = (withoutTrailingSlashes(path), overwrites, .umask)
    try Self.requireDirectory(self.path, inputs: inputs)
    try Self.requireWritable(parentDirectory(of: self.path))
    guard !isAbsentOrEmptyDirectory(self.path) else { return }
    let owned = OwnedFiles(self.path)
    let others = try owned?.others ?? directoryEntries(self.path)
    guard others.isEmpty else {
      throw OutputRefusal.directoryExists(
        path: path,
        reason: "nothing proves that Shoal wrote \(shortList(others)) in it; name another place, or remove that")
    }
    guard overwrites else {
      throw OutputRefusal.directoryExists(
        path: path, reason: "an earlier export is there; name another place, or add --overwrite")
    }
  }

  /// Requires that `path` is no input, no link and no file.
  /// - Throws: `OutputRefusal`.
  package static func requireDirectory(_ path: String, inputs: [InputPath]) throws(OutputRefusal) {
    let path = withoutTrailingSlashes(path)
    for input in inputs { if let conflict = input.conflict(withDirectory: path) { throw conflict } }
    switch EntryKind(path) {
    case nil, .directory: break
    case .link: throw OutputRefusal.isLink(path: path, target: linkTarget(path), mayReplace: false)
    default: throw OutputRefusal.directoryExists(path: path, reason: "it is no directory; name another place")
    }
  }

  /// Writes the file. A file is written completely or not at all.
  /// - Throws: `WriteError`, and errors of `body`.
  package func write(_ body: (OutputFile) throws -> Void) throws {
    guard !Self.isStream(path) else {
      let output = try Self.openStream(path)
      try body(output)
      _ = try output.finish()
      return
    }
    let files = AtomicFiles(permissions: permissions)
    try files.file(path, hashes: false, body)
    try files.commit(replaces: replaces)
  }

  package func write(_ text: String) throws { try write { try $0.append(Array(text.utf8)) } }

  // MARK: Paths

  private static func requireWritable(_ directory: String) throws(FileError) {
    guard access(directory, W_OK) == 0 else {
      throw FileError(path: directory, action: "write to the directory", code: errno)
    }
  }

  package static func isStream(_ path: String) -> Bool {
    openDescriptor(path) != nil || EntryKind(path) == .stream
  }

  /// The number of an open file, if `path` is one of its names.
  private static func openDescriptor(_ path: String) -> Int32? {
    switch path {
    case "-", "/dev/stdout": return 1
    case "/dev/stderr": return 2
    default:
      guard let match = path.wholeMatch(of: #/(/dev|/proc/self)/fd/([0-9]{1,9})/#) else { return nil }
      return Int32(match.2)
    }
  }

  private static func openStream(_ path: String) throws(WriteError) -> OutputFile {
    let descriptor = openDescriptor(path).map(dup) ?? open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw WriteError(path: path, action: "open", code: errno) }
    return OutputFile(path: path, stream: descriptor)
  }
}

extension InputPath {
  /// The reason why nothing may be written as the file `path`, if it is this input or lies in it.
  fileprivate func conflict(withFile path: String) -> OutputRefusal? {
    if isSameFile(path, self.path) { return .isInput(path: path, input: self) }
    return isWhole && contains(path) ? .liesInInput(path: path, input: self) : nil
  }

  /// The reason why nothing may be written into the directory `path`.
  fileprivate func conflict(withDirectory path: String) -> OutputRefusal? {
    if isSameFile(path, self.path) { return .isInput(path: path, input: self) }
    return contains(path) ? .liesInInput(path: path, input: self) : nil
  }

  private func contains(_ path: String) -> Bool {
    resolvedPath(self.path).map { EntryKind($0) == .directory && relativePath(path, in: $0) != nil } ?? false
  }
}

private func linkTarget(_ path: String) -> String {
  var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
  let count = readlink(path, &buffer, buffer.count)
  return String(decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
}
