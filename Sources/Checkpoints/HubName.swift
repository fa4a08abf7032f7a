// Names and revisions of the hub's repositories, as its own client accepts them.

/// A model or a data set of the hub: `OWNER/NAME`, or `NAME` alone as the oldest ones have it.
package struct HubName: Sendable, Equatable, CustomStringConvertible {
  package enum Kind: String, Sendable { case model, dataset }

  package let text: String
  package let kind: Kind

  package var description: String { text }

  /// Nil if no repository can have this name. A path such as `./model`, `a/b/c` or `/models` is none.
  package init?(_ text: String, _ kind: Kind = .model) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, parts.allSatisfy({ Self.isPart($0) }), !text.contains("--"), !text.contains(".."),
      !text.hasSuffix(".git")
    else { return nil }
    (self.text, self.kind) = (text, kind)
  }

  private static func isPart(_ part: Substring) -> Bool {
    guard 1...96 ~= part.utf8.count, let first = part.utf8.first, let last = part.utf8.last else { return false }
    let marks = Set("-.".utf8)
    return !marks.contains(first) && !marks.contains(last)
      && part.utf8.allSatisfy { isAlphanumeric($0) || marks.contains($0) || $0 == UInt8(ascii: "_") }
  }

  /// Whether it has an owner: a name without one could be any file's.
  package var hasOwner: Bool { text.contains("/") }

  /// The repository's folder in the hub's cache: `models--OWNER--NAME`.
  package var folder: String { "\(kind.rawValue)s--" + text.replacing("/", with: "--") }

  /// The command that downloads it, for a shell.
  package func fetchCommand(revision: String?) -> String {
    let isPlain = revision?.utf8.allSatisfy { isAlphanumeric($0) || "-._/".utf8.contains($0) } ?? true
    return "shoal fetch \(text)" + (kind == .dataset ? " --dataset" : "")
      + (revision.map { isPlain ? " --revision \($0)" : " --revision '\($0.replacing("'", with: #"'\''"#))'" } ?? "")
  }
}

/// Branches, tags and commits.
package enum HubRevision {
  /// What holds where none is named.
  package static let standard = "main"

  /// Whether git allows the name, so that it can be a path below the cache's `refs`.
  package static func isValid(_ name: String) -> Bool {
    let refused = Set(" ~^:?*[\\".unicodeScalars)
    return 1...255 ~= name.utf8.count && !name.hasPrefix("-")
      && name.unicodeScalars.allSatisfy { !refused.contains($0) && $0.properties.generalCategory != .control }
      && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
        !$0.isEmpty && !$0.hasPrefix(".") && !$0.hasSuffix(".lock")
      } && !name.contains("..")
  }

  /// Whether it is a whole commit hash.
  package static func isCommit(_ name: String) -> Bool { name.utf8.count == 40 && isHexadecimal(name) }
}

/// Whether all characters are hexadecimal digits in lower case, as git and the hub write hashes.
package func isHexadecimal(_ text: String) -> Bool {
  text.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 }
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"):
    true
  default: false
  }
}
