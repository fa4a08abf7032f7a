// What a command reads, so that it does not write there.

import Glibc

/// A file or a directory that a command reads.
package struct InputPath: Sendable, Equatable {
  package let path: String
  /// The option or the key that names it: `--data`, `base_model`.
  package let option: String
  /// Whether it is a directory whose every file is read, so that not even a new one may be put there.
  let isWhole: Bool

  package init(_ path: String, _ option: String, isWhole: Bool = true) {
    (self.path, self.option, self.isWhole) = (path, option, isWhole)
  }

  /// A model's or an adapter's directory with the files that may be read from it: all but lines of JSON, which runs
  /// write beside their adapter.
  /// - Parameters:
  ///   - path: a directory, or a name that the hub's cache may have.
  ///   - revision: of the name.
  package static func model(_ path: String, revision: String? = nil, _ option: String) -> [InputPath] {
    let path = (try? HubCache.directory(of: path, revision: revision, for: .anything)) ?? path
    let names = ((try? directoryEntries(path)) ?? []).filter { !$0.hasSuffix(".jsonl") }
    return [InputPath(path, option, isWhole: false)]
      + names.map { InputPath("\(path)/\($0)", option) }.filter { isRegularFile($0.path) }
  }
}

private func isRegularFile(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
}

/// Whether both paths lead to one file or directory, whatever they are called.
package func isSameFile(_ path: String, _ other: String) -> Bool {
  var (first, second) = (stat(), stat())
  return stat(path, &first) == 0 && stat(other, &second) == 0 && first.st_ino == second.st_ino
    && first.st_dev == second.st_dev
}

/// The absolute path without any link; nil if it does not exist.
package func resolvedPath(_ path: String) -> String? {
  guard let resolved = realpath(path, nil) else { return nil }
  defer { free(resolved) }
  return String(cString: resolved)
}

/// The path from the directory `base` to `path`, which need not exist; nil if it is not below it. No link is left in
/// either but in the last component of `path`.
package func relativePath(_ path: String, in base: String) -> String? {
  guard let base = resolvedPath(base) else { return nil }
  let prefix = base == "/" ? "/" : base + "/"
  let resolved = resolvedParent(path)
  return resolved.hasPrefix(prefix) ? String(resolved.dropFirst(prefix.count)) : nil
}

/// The absolute path that `path` has or would have, with the links of its parents resolved.
private func resolvedParent(_ path: String) -> String {
  let path = withoutTrailingSlashes(path)
  let parent = parentDirectory(of: path)
  let name = String(path.split(separator: "/").last ?? "")
  if ["", ".", ".."].contains(name), let whole = resolvedPath(path) { return whole }
  guard let resolved = resolvedPath(parent) else {
    // The parent is to be made, too.
    return parent == "." || parent == "/" ? path : resolvedParent(parent) + "/" + name
  }
  return resolved == "/" ? "/" + name : resolved + "/" + name
}
