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

  /// Zeros of lengths around a block's end, where the padding changes: from NIST's examples and coreutils' sha256sum.
  @Test(arguments: [
    (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (55, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"),
    (56, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"),
    (63, "c7723fa1e0127975e49e62e753db53924c1bd84b8ac1ac08df78d09270f3d971"),
    (64, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"),
    (65, "98ce42deef51d40269d542f5314bef2c7468d401ad5d85168bfab4c0108f75f7"),
  ]) func `hashes are SHA-256's`(count: Int, sha256: String) throws {
    let bytes = [UInt8](repeating: 0, count: count)
    #expect(ContentHash.sha256(of: bytes) == sha256)
    let scratch = try TemporaryDirectory()
    let file = scratch.path("zeros")
    try AtomicFile.write(bytes, to: file)
    #expect(try ContentHash(cacheDirectory: nil).sha256(ofFile: file) == sha256)
  }

  /// FIPS 180's example of a million letters, whole and in uneven pieces.
  @Test func `a long text hashes to the same in pieces`() {
    let text = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    #expect(ContentHash.sha256(of: text) == expected)
    let hash = SHA256()
    var start = 0
    for length in 0..<1500 {
      hash.append(Array(text.dropFirst(start).prefix(length)))
      start += length
    }
    #expect(start > text.count)
    #expect(hash.text == expected)
    #expect(hash.text == expected, "asking ends nothing")
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
    let modified = try #require(FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date)
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
