import Corpus
import Foundation
import TestSupport
import Testing
import Training

/// Reference sums are cached across runs, but not used after damage or for another model.
@Suite struct ReferenceCacheTests {
  static let pair = ExampleTree(index: 1, prompt: [1, 2], completions: [[3], [4, 5]])
  static let ranked = ExampleTree(index: 2, prompt: [1, 2], completions: [[3], [4, 5], [6]])

  static func file(_ scratch: TemporaryDirectory) throws -> String {
    try #require(FileManager.default.contentsOfDirectory(atPath: scratch.path("cache")).first)
  }

  static func filled(_ scratch: TemporaryDirectory) throws {
    var cache = ReferenceCache(directory: scratch.path("cache"), modelHash: "model")
    cache.insert([-1.25, -0x1.fffffp-30], for: pair)
    cache.insert([-1, -2, -3], for: ranked)
    try cache.save()
  }

  @Test func `round trip by content`() throws {
    let scratch = try TemporaryDirectory()
    #expect(ReferenceCache(directory: scratch.path("cache"), modelHash: "model").sums(of: Self.pair) == nil)
    try Self.filled(scratch)
    let cache = ReferenceCache(directory: scratch.path("cache"), modelHash: "model")
    #expect(cache.sums(of: Self.pair) == [-1.25, -0x1.fffffp-30])
    #expect(cache.sums(of: Self.ranked) == [-1, -2, -3])
    var tree = Self.pair
    tree.index = 77
    #expect(cache.sums(of: tree) != nil, "the place in the data does not matter")
    tree.completions[1][0] = 9
    #expect(cache.sums(of: tree) == nil)
    tree = Self.pair
    (tree.prompt, tree.completions[0]) = ([1], [2, 3])
    #expect(cache.sums(of: tree) == nil, "where the prompt ends matters")
  }

  @Test func `another model has another file`() throws {
    let scratch = try TemporaryDirectory()
    try Self.filled(scratch)
    var other = ReferenceCache(directory: scratch.path("cache"), modelHash: "other")
    #expect(other.sums(of: Self.pair) == nil)
    try other.save()
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("cache")).count == 2)
    // A file under another model's name is rejected.
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("cache"))
    let size: (String) throws -> Int = {
      try Data(contentsOf: URL(fileURLWithPath: scratch.path("cache/\($0)"))).count
    }
    let (full, empty) = try size(names[0]) > size(names[1]) ? (names[0], names[1]) : (names[1], names[0])
    try Data(contentsOf: URL(fileURLWithPath: scratch.path("cache/\(full)")))
      .write(to: URL(fileURLWithPath: scratch.path("cache/\(empty)")))
    #expect(ReferenceCache(directory: scratch.path("cache"), modelHash: "other").sums(of: Self.pair) == nil)
  }

  @Test func `damage anywhere makes an empty cache`() throws {
    let scratch = try TemporaryDirectory()
    try Self.filled(scratch)
    let name = "cache/\(try Self.file(scratch))"
    let whole = try Data(contentsOf: URL(fileURLWithPath: scratch.path(name)))
    for place in whole.indices where place % 3 == 0 || place > whole.count - 60 {
      try whole.write(to: URL(fileURLWithPath: scratch.path(name)))
      try scratch.damage(name) { _ in place }
      let found = ReferenceCache(directory: scratch.path("cache"), modelHash: "model").sums(of: Self.pair)
      #expect(found == nil || found == [-1.25, -0x1.fffffp-30], "byte \(place)")
    }
    try whole.dropLast(9).write(to: URL(fileURLWithPath: scratch.path(name)))
    #expect(ReferenceCache(directory: scratch.path("cache"), modelHash: "model").sums(of: Self.pair) == nil)
    try Self.filled(scratch)
    #expect(ReferenceCache(directory: scratch.path("cache"), modelHash: "model").sums(of: Self.pair) != nil)
  }

  @Test func `every flipped bit is seen`() throws {
    let scratch = try TemporaryDirectory()
    try Self.filled(scratch)
    let flips = FlippedBits()
    try flips.forEach(of: scratch.path("cache/\(try Self.file(scratch))")) {
      let cache = ReferenceCache(directory: scratch.path("cache"), modelHash: "model")
      return cache.sums(of: Self.pair) == nil && cache.sums(of: Self.ranked) == nil
    }
    #expect(flips.count > 2_000 && flips.missed == [], "\(flips.missed.prefix(5))")
  }

  @Test func `two runs' sums are joined`() throws {
    let scratch = try TemporaryDirectory()
    var (one, two) = (
      ReferenceCache(directory: scratch.path("cache"), modelHash: "model"),
      ReferenceCache(directory: scratch.path("cache"), modelHash: "model")
    )
    one.insert([-1, -2], for: Self.pair)
    two.insert([-1, -2, -3], for: Self.ranked)
    try one.save()
    try two.save()
    let both = ReferenceCache(directory: scratch.path("cache"), modelHash: "model")
    #expect(both.sums(of: Self.pair) == [-1, -2] && both.sums(of: Self.ranked) == [-1, -2, -3])
  }

  @Test func `many sums are found in the file and beside it`() throws {
    let scratch = try TemporaryDirectory()
    func tree(_ number: Int) -> ExampleTree {
      ExampleTree(index: 0, prompt: [Int32(number)], completions: Array(repeating: [1], count: 1 + number % 3))
    }
    func sums(_ number: Int) -> [Double] { (0...number % 3).map { Double(number) + Double($0) / 8 } }
    var cache = ReferenceCache(directory: scratch.path("cache"), modelHash: "model")
    for number in 0..<600 {
      cache.insert(sums(number), for: tree(number))
      if number % 150 == 149 { try cache.save() }
    }
    // A newer sum replaces an older one.
    cache.insert([7], for: tree(3))
    cache.insert([8], for: tree(600))
    func check(_ cache: ReferenceCache) {
      for number in 0..<600 where number != 3 { #expect(cache.sums(of: tree(number)) == sums(number)) }
      #expect(cache.sums(of: tree(3)) == [7] && cache.sums(of: tree(601)) == nil)
    }
    check(cache)
    try cache.save()
    check(cache)
    let reopened = ReferenceCache(directory: scratch.path("cache"), modelHash: "model")
    #expect((0..<601).allSatisfy { reopened.sums(of: tree($0)) != nil } && reopened.sums(of: tree(3)) == [7])
  }

  @Test func `without a directory it lives in memory`() throws {
    var cache = ReferenceCache(directory: nil, modelHash: "model")
    cache.insert([1, 2], for: Self.pair)
    try cache.save()
    #expect(cache.sums(of: Self.pair) == [1, 2])
  }
}
