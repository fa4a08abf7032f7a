// The repository that the tests were built from.

import Foundation

/// The committed files.
package enum Repository {
  package static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// A path below Tests/Fixtures.
  package static func fixture(_ name: String) -> String { "\(path)/Tests/Fixtures/\(name)" }

  package static func text(_ name: String) throws -> String {
    try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
  }

  package static func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }

  /// The files below a folder, as paths from the root.
  package static func files(in folder: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: "\(path)/\(folder)").sorted().map { "\(folder)/\($0)" }
  }

  /// The folders below a folder.
  package static func folders(in folder: String) throws -> [String] {
    try files(in: folder).filter { name in
      var isDirectory: ObjCBool = false
      return FileManager.default.fileExists(atPath: "\(path)/\(name)", isDirectory: &isDirectory)
        && isDirectory.boolValue
    }
  }
}
