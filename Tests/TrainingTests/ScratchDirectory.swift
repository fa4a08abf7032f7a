import Foundation

/// A directory for one test, removed with the object.
final class ScratchDirectory: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/shoal-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  func path(_ name: String) -> String { "\(path)/\(name)" }

  /// Changes one byte of a file.
  func damage(_ name: String, at place: (Int) -> Int) throws {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path(name)))
    bytes[place(bytes.count)] ^= 0x10
    try bytes.write(to: URL(fileURLWithPath: path(name)))
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
