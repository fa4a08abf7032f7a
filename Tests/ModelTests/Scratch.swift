import Checkpoints
import Foundation

/// A directory for one test, removed with the object.
final class Scratch: Sendable {
  let root: String

  init() throws {
    root = NSTemporaryDirectory() + "/shoal-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
  }

  func path(_ name: String) -> String { "\(root)/\(name)" }

  deinit { try? FileManager.default.removeItem(atPath: root) }
}

/// A committed fixture.
func fixture(_ name: String) -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/checkpoints/\(name)").path
}

/// Numbers of the fixtures that torch printed.
func expectedNumbers(_ name: String) throws -> [Float] {
  let json = try JSONValue.read(file: fixture("expected.json"))
  return json[name]?.array?.compactMap(\.double).map(Float.init) ?? []
}
