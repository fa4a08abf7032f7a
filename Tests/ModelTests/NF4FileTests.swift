import Checkpoints
import Corpus
import Dispatch
import Foundation
import Model
import Synchronization
import Tensors
import TestSupport
import Testing

/// The cached file of an NF4 base: made once, checked, remade when damaged; and the refusal of unsuitable models.
@Suite struct NF4FileTests {
  private static let modelPath = TinyFixture.nf4Directory + "/model"

  private static func file(
    in scratch: TemporaryDirectory, of path: String = modelPath, progress: @escaping NF4File.Progress = { _, _ in }
  ) throws -> NF4File {
    let directory = try ModelDirectory(path)
    let hash = try directory.contentHash(ContentHash(cacheDirectory: nil))
    return try NF4File(
      of: directory, modelHash: hash, cacheDirectory: scratch.path("cache"), threads: 2, progress: progress)
  }

  /// The cached file's path, and all names beside it.
  private static func cached(_ scratch: TemporaryDirectory) throws -> (path: String, names: [String]) {
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("cache/nf4")).sorted()
    let name = try names.first { $0.hasSuffix(".safetensors") }.required("a cached file")
    return (scratch.path("cache/nf4/\(name)"), names)
  }

  @Test func `made once and mapped from then on`() throws {
    let scratch = try TemporaryDirectory()
    var steps: [[Int]] = []
    let made = try Self.file(in: scratch) { steps.append([$0, $1]) }
    #expect(steps == [[1, 2], [2, 2]])
    let again = try Self.file(in: scratch) { _, _ in Issue.record("quantised again") }
    let (path, names) = try Self.cached(scratch)
    #expect(names.count == 2 && names.contains { $0.hasSuffix(".lock") }, "\(names)")
    let bytes = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0

    let directory = try ModelDirectory(Self.modelPath)
    let (stored, quantized) = (LanguageModel(directory), LanguageModel(directory, quantized: made))
    var linears = 0
    for (layer, pair) in zip(stored.layers, quantized.layers).enumerated() {
      for module in LinearModule.allCases {
        let expected = try NF4Quantizer.quantized(pair.0.weight(module), ThreadPool(threads: 1)).required(
          "finite weights")
        #expect(bits(pair.1.weight(module).widened()) == bits(expected.widened()))
        #expect(bits(again.weight(module, layer: layer).widened()) == bits(expected.widened()))
        linears += expected.byteCount
      }
    }
    #expect(bits(quantized.embedding.widened()) == bits(stored.embedding.widened()))
    #expect(quantized.sharedByteCount() == stored.embedding.byteCount + linears)
    // Only the matrices, their header and the checksum.
    #expect(bytes > linears && bytes < linears + 16_000)
  }

  @Test func `damage is seen and made good`() throws {
    let scratch = try TemporaryDirectory()
    _ = try Self.file(in: scratch)
    let path = try Self.cached(scratch).path
    let sound = try Data(contentsOf: URL(fileURLWithPath: path))
    func remade(_ damaged: Data) throws {
      try damaged.write(to: URL(fileURLWithPath: path))
      var isRemade = false
      _ = try Self.file(in: scratch) { _, _ in isRemade = true }
      #expect(isRemade)
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == sound)
    }
    for position in [3, 40, 1000, sound.count / 3, sound.count / 2, sound.count - 100, sound.count - 1] {
      var damaged = sound
      damaged[position] ^= 4
      try remade(damaged)
    }
    try remade(Data())
    try remade(sound.dropLast(7))
    // Undamaged, but of another model.
    let other = try ModelDirectory(Self.modelPath)
    try FileManager.default.removeItem(atPath: scratch.path("cache"))
    _ = try NF4File(of: other, modelHash: "another", cacheDirectory: scratch.path("cache"), threads: 1)
    let foreign = try Data(contentsOf: URL(fileURLWithPath: Self.cached(scratch).path))
    try remade(foreign)
  }

  /// Flips one bit of every byte, at changing positions.
  @Test func `flipped bits are seen`() throws {
    let scratch = try TemporaryDirectory()
    _ = try Self.file(in: scratch)
    let directory = try ModelDirectory(Self.modelPath)
    let key = NF4File.contentHash(modelHash: try directory.contentHash(ContentHash(cacheDirectory: nil)))
    let path = try Self.cached(scratch).path
    #expect(NF4File.opened(path, key: key, directory.configuration) != nil)
    let flips = FlippedBits()
    try flips.forEach(of: path, isSampled: true) { NF4File.opened(path, key: key, directory.configuration) == nil }
    #expect(flips.count > 30_000 && flips.missed == [], "\(flips.missed.prefix(5))")
  }

  @Test func `several at once`() throws {
    let scratch = try TemporaryDirectory()
    let layers = Atomic(0)
    let sums = Mutex<[[UInt32]]>([])
    DispatchQueue.concurrentPerform(iterations: 6) { _ in
      do {
        let file = try Self.file(in: scratch) { _, _ in layers.add(1, ordering: .relaxed) }
        let found = bits(file.weight(.down, layer: 1).widened())
        sums.withLock { $0.append(found) }
      } catch {
        Issue.record(error)
      }
    }
    #expect(layers.load(ordering: .relaxed) == 2, "one of them quantises two layers")
    sums.withLock { sums in #expect(sums.count == 6 && sums.allSatisfy { $0 == sums[0] }) }
    #expect(try Self.cached(scratch).names.count == 2)
  }

  @Test func `refusals`() throws {
    let scratch = try TemporaryDirectory()
    let widths = #expect(throws: ContentError.self) { try Self.file(in: scratch, of: TinyFixture.path("model")) }
    #expect(widths?.problems.count == 7)
    #expect(widths?.description.contains("\"q_proj\" has 48 inputs, expected a multiple of 64") == true)
    #expect(throws: ContentError.self) {
      try MergedExport(
        ModelDirectory(TinyFixture.path("model")), nil, into: .dequantized, type: nil, pool: ThreadPool(threads: 1))
    }
    let directory = try ModelDirectory(Self.modelPath)
    let homeless = #expect(throws: ContentError.self) {
      try NF4File(of: directory, modelHash: "", cacheDirectory: nil, threads: 1)
    }
    #expect(homeless?.description.contains("SHOAL_CACHE") == true)

    // A directory of the kernel's: nobody can write there, not even root.
    let unwritable = #expect(throws: ContentError.self) {
      try NF4File(of: directory, modelHash: "", cacheDirectory: "/proc/.cache/shoal", threads: 1)
    }
    #expect(unwritable?.description.contains("a directory that can be written in SHOAL_CACHE") == true)

    let broken = scratch.path("model")
    try FileManager.default.copyItem(atPath: Self.modelPath, toPath: broken)
    let name = WeightName.linear(.up, layer: 1).hubName
    let weights = "\(broken)/model.safetensors"
    let entry = try SafetensorsFile(path: weights).tensors[name].required(name)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: weights))
    bytes[entry.range.lowerBound + 101] = 0x7f
    bytes[entry.range.lowerBound + 100] = 0x80
    try bytes.write(to: URL(fileURLWithPath: weights))
    let infinite = #expect(throws: ContentError.self) { try Self.file(in: scratch, of: broken) }
    #expect(infinite?.problems.map(\.item) == [name])
    let left = try FileManager.default.contentsOfDirectory(atPath: scratch.path("cache/nf4"))
    #expect(left.allSatisfy { $0.hasSuffix(".lock") }, "\(left)")
    #expect(throws: ContentError.self) {
      try MergedExport(ModelDirectory(broken), nil, into: .dequantized, type: nil, pool: ThreadPool(threads: 1))
        .write(InferenceFiles(adapter: nil, base: broken), to: scratch.path("merged"), shardBytes: 1 << 30)
    }
    #expect(!FileManager.default.fileExists(atPath: scratch.path("merged")))
  }
}
