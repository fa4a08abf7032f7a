// Directories for tests, and edits of the files in them.

package import Foundation

/// A directory and its files, named by their paths below it.
package protocol TestDirectory: Sendable {
  var path: String { get }
}

extension TestDirectory {
  package func path(_ name: String) -> String { "\(path)/\(name)" }

  package func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  /// Names in a directory, sorted.
  package func names(_ directory: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path(directory)).sorted()
  }

  package func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path(name))) }

  package func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  /// Writes a file and returns its path.
  @discardableResult package func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
    return path(name)
  }

  @discardableResult package func write(_ name: String, _ text: String) throws -> String { try write(name, text.utf8) }

  /// Changes the bytes of a file.
  package func edit(_ name: String, _ change: (inout Data) throws -> Void) throws {
    var data = try bytes(name)
    try change(&data)
    try write(name, data)
  }

  /// Replaces a text; it is an error if the file does not contain it.
  package func replace(_ old: String, by new: String, in name: String) throws {
    try edit(name) { data in
      data.replaceSubrange(try data.range(of: Data(old.utf8)).required("\(old) in \(name)"), with: Data(new.utf8))
    }
  }

  /// Flips a bit of a file: in its middle, or in the byte that `place` returns for the number of bytes.
  package func damage(_ name: String, at place: (Int) -> Int = { $0 / 2 }) throws {
    try edit(name) { $0[place($0.count)] ^= 0x10 }
  }
}

/// A directory for one test, removed with this object.
package final class TemporaryDirectory: TestDirectory {
  package let path = FileManager.default.temporaryDirectory.path + "/shoal-test-\(UUID().uuidString)"

  package init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false) }

  /// A copy of the current state of another directory.
  package init(copyOf other: String) throws { try FileManager.default.copyItem(atPath: other, toPath: path) }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
