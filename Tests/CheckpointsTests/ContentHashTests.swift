import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct ContentHashTests {
  /// sha256sum of "abc".
  private let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

  @Test func `hashes are of contents`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("file")
    try AtomicFile.write("abc", to: path)
    #expect(try ContentHash(cacheDirectory: nil).sha256(ofFile: path) == abc)
    #expect(throws: FileError.self) { try ContentHash().sha256(ofFile: scratch.path("missing")) }
  }

  /// A cached hash is used (a forged hash is accepted), and discarded if the file or the cache entry changed.
  @Test func `a hash is remembered until something changes`() async throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("file")
    try AtomicFile.write("abc", to: path)
    let hashes = ContentHash(cacheDirectory: scratch.path("cache"))
    #expect(try hashes.sha256(ofFile: path) == abc)
    #expect(!FileManager.default.fileExists(atPath: scratch.path("cache")), "too fresh to remember")
    try await Task.sleep(for: .seconds(3.2))
    #expect(try hashes.sha256(ofFile: path) == abc)
    let name = try #require(try scratch.names("cache/hashes").first)
    let entry = scratch.path("cache/hashes/\(name)")
    let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: entry)))

    for index in stride(from: 0, to: whole.count, by: 3) {
      var damaged = whole
      damaged[index] ^= 1
      try AtomicFile.write(damaged, to: entry)
      #expect(try hashes.sha256(ofFile: path) == abc, "byte \(index)")
      // Damage that cannot be detected (in white space) leaves the entry unchanged.
    }
    try AtomicFile.write(whole, to: entry)
    let modified = try #require(
      FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date)
    try Data("abd".utf8).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.modificationDate: modified], ofItemAtPath: path)
    #expect(try hashes.sha256(ofFile: path) != abc, "the same size and time of modification")
  }

  @Test func `a cache that cannot be written does not matter`() async throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("file")
    try AtomicFile.write("abc", to: path)
    try AtomicFile.write("", to: scratch.path("cache"))
    try await Task.sleep(for: .seconds(3.2))
    let hashes = ContentHash(cacheDirectory: scratch.path("cache"))
    #expect(try hashes.sha256(ofFile: path) == abc)
  }

  @Test func `several files hash by name and content`() throws {
    let scratch = try TemporaryDirectory()
    for directory in ["one", "two"] {
      try AtomicDirectory.write(to: scratch.path(directory), neededBytes: 0, hasManifest: false) {
        try $0.file("a", text: "a")
        try $0.file("b", text: "b")
      }
    }
    let hashes = ContentHash(cacheDirectory: nil)
    let one = try hashes.sha256(ofFiles: [scratch.path("one/a"), scratch.path("one/b")])
    #expect(one == (try hashes.sha256(ofFiles: [scratch.path("two/a"), scratch.path("two/b")])))
    #expect(one != (try hashes.sha256(ofFiles: [scratch.path("two/b"), scratch.path("two/a")])))
  }
}
