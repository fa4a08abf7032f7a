// Reads JSON files, with errors that name the file.

import Tensors

extension JSONValue {
  /// Reads the JSON file `path`.
  /// - Parameter limit: the size in bytes above which the file is rejected without parsing.
  /// - Throws: `FileError` if it cannot be opened, `ContentError` if it is too large or not JSON.
  package static func read(file path: String, limit: Int = 64 << 20) throws -> JSONValue {
    let file = try MappedFile(path: path)
    defer { withExtendedLifetime(file) {} }
    guard file.bytes.count <= limit else {
      throw ContentError(path, "has \(file.bytes.count) bytes", expected: "at most \(limit)")
    }
    do throws(JSONSyntaxError) {
      return try parse(file.bytes)
    } catch {
      throw ContentError(path, "is \(error)")
    }
  }
}
