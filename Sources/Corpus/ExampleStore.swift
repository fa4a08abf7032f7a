// Keeps encoded examples of large data in files, each under a name that says what it was made from: data are tokenised
// once, and mapped at every later start.

import Checkpoints
import Foundation
import Tensors

/// A directory of encoded examples.
///
/// Its files may be removed at any time. A file is replaced as a whole, so that several processes may use it.
package struct ExampleStore: Sendable {
  /// nil if there is no place for files.
  private let directory: String?
  /// SHA-256 of the program, whose encoder may differ from another's.
  private let program: ContentDigest
  /// SHA-256 of the tokenizer's files.
  private let tokenizer: String
  /// Data of fewer bytes are encoded at every start.
  private let smallestBytes: Int

  /// - Parameters:
  ///   - directory: nil: `examples` in Shoal's cache.
  ///   - smallestBytes: only tests pass another value than the default.
  package init(directory: String? = nil, program: String, tokenizer: String, smallestBytes: Int = 8 << 20) {
    self.directory = directory ?? CacheDirectory.path.map { "\($0)/examples" }
    self.program = ContentDigest(of: program)
    (self.tokenizer, self.smallestBytes) = (tokenizer, smallestBytes)
  }

  /// Encoded examples, and what was written about all of them.
  struct Found<Information: Codable> {
    let bytes: ExampleBytes
    let information: Information
    /// Why large data have no file.
    var notice: String?
  }

  /// The examples of some data: from their file, or from the records, which makes the file.
  /// - Parameters:
  ///   - files: the data files.
  ///   - settings: everything else that the examples depend on, but for program and tokenizer.
  ///   - write: writes all examples; it may be called twice.
  /// - Throws: `FileError`, `ContentError`, errors of `write`; `WriteError` if there is room neither in a file nor in
  ///   memory.
  func examples<Information>(
    of files: [String], settings: String, write: (ExampleWriter) throws -> Information
  ) throws -> Found<Information> {
    guard files.reduce(0, { $0 + Self.size(of: $1) }) >= smallestBytes else { return try Self.inMemory(write) }
    func withoutFile(_ reason: String) throws -> Found<Information> {
      var found = try Self.inMemory(limit: (ProcessMemory.availableBytes ?? .max) / 2, write)
      found.notice = "the examples stay in memory, and every start makes them anew: \(reason)"
      return found
    }
    guard let directory else { return try withoutFile("neither SHOAL_CACHE nor HOME names a place for their file") }
    let key = try key(files, settings)
    let path = "\(directory)/\(key.text).examples"
    // A file that is missing, damaged or another program's is made anew.
    if let found: Found<Information> = try? open(path, key) { return found }
    do {
      try CacheDirectory.create(directory)
      removeLeftovers(of: path)
      try AtomicFile.write(to: path) { output in
        _ = try Self.write(write, key, program) { try output.append($0) }
        guard try self.key(files, settings) == key else {
          throw ContentError(files.joined(separator: ", "), "changed while it was read")
        }
      }
    } catch let error as WriteError {
      return try withoutFile("\(error.path): cannot \(error.action): \(error.reason)")
    }
    if let found: Found<Information> = try? open(path, key) { return found }
    return try withoutFile("\(path) does not hold what was written to it")
  }

  /// Removes what a killed process left of the same file: nobody has written to it for an hour.
  private func removeLeftovers(of path: String) {
    let files = FileManager.default
    let prefix = "\((path as NSString).lastPathComponent).tmp-"
    for name in (try? files.contentsOfDirectory(atPath: directory ?? "")) ?? [] where name.hasPrefix(prefix) {
      let other = "\(directory ?? "")/\(name)"
      let changed = try? files.attributesOfItem(atPath: other)[.modificationDate] as? Date
      if let changed, changed.timeIntervalSinceNow < -3600 { try? files.removeItem(atPath: other) }
    }
  }

  /// The examples that `write` writes, kept in memory.
  /// - Parameter limit: the most bytes that they may take.
  static func inMemory<Information>(
    limit: Int? = nil, _ write: (ExampleWriter) throws -> Information
  ) throws -> Found<Information> {
    let output = MemoryOutput(limit: limit)
    let none = ContentDigest(of: "")
    let information = try Self.write(write, none, none) { try output.append($0) }
    return Found(bytes: try ExampleBytes(output), information: information)
  }

  private static func write<Information: Encodable>(
    _ write: (ExampleWriter) throws -> Information, _ key: ContentDigest, _ program: ContentDigest,
    to emit: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Information {
    let writer = ExampleWriter(emit: emit)
    let information = try write(writer)
    try writer.finish(key: key, maker: program, information: Array(try JSONEncoder().encode(information)))
    return information
  }

  private func open<Information>(_ path: String, _ key: ContentDigest) throws -> Found<Information> {
    let bytes = try ExampleBytes(path: path, key: key, maker: program)
    return Found(
      bytes: bytes, information: try JSONDecoder().decode(Information.self, from: Data(bytes.information)))
  }

  /// SHA-256 of everything that the examples depend on but the program.
  private func key(_ files: [String], _ settings: String) throws -> ContentDigest {
    let hashes = ContentHash()
    let contents = try files.map { "\($0) \(try hashes.sha256(ofFile: $0))" }
    return ContentDigest(of: (contents + [settings, tokenizer]).joined(separator: "\n"))
  }

  private static func size(of path: String) -> Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: (path as NSString).resolvingSymlinksInPath)
    return (attributes?[.size] as? NSNumber)?.intValue ?? 0
  }
}

extension ContentDigest {
  fileprivate init(of text: String) {
    let hash = SHA256()
    hash.append(Array(text.utf8))
    self.init(hash.digest)
  }
}
