import Checkpoints
import Corpus
import Dispatch
import Foundation
import Model
import Synchronization
import Tensors
import TestSupport
import Testing

/// The cached file of a quantised base: made once, checked, remade when damaged; and the refusal of unsuitable models.
@Suite struct QuantizedFileTests {
  static let quantized = [WeightStorage.nf4, .int8]
  private static let modelPath = TinyFixture.nf4Directory + "/model"

  private static func form(_ storage: WeightStorage) throws -> any QuantizedForm.Type {
    try storage.form.required("a form")
  }

  private static func file(
    _ storage: WeightStorage, in scratch: TemporaryDirectory, of path: String = modelPath,
    progress: @escaping QuantizedFile.Progress = { _, _ in }
  ) throws -> QuantizedFile {
    let directory = try ModelDirectory(path)
    let hash = try directory.contentHash(ContentHash(cacheDirectory: nil))
    return try QuantizedFile(
      of: directory, as: form(storage), modelHash: hash, cacheDirectory: scratch.path("cache"), threads: 2,
      progress: progress)
  }

  /// The cached file's path, and all names beside it.
  private static func cached(
    _ storage: WeightStorage, _ scratch: TemporaryDirectory
  ) throws -> (path: String, names: [String]) {
    let folder = scratch.path("cache/\(storage.rawValue)")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    let name = try names.first { $0.hasSuffix(".safetensors") }.required("a cached file")
    return ("\(folder)/\(name)", names)
  }

  @Test(arguments: quantized) func `made once and mapped from then on`(storage: WeightStorage) throws {
    let scratch = try TemporaryDirectory()
    var steps: [[Int]] = []
    let made = try Self.file(storage, in: scratch) { steps.append([$0, $1]) }
    #expect(steps == [[1, 2], [2, 2]])
    let again = try Self.file(storage, in: scratch) { _, _ in Issue.record("quantised again") }
    let (path, names) = try Self.cached(storage, scratch)
    #expect(names.count == 2 && names.contains { $0.hasSuffix(".lock") }, "\(names)")
    let bytes = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0

    let directory = try ModelDirectory(Self.modelPath)
    let (stored, quantized) = (LanguageModel(directory), LanguageModel(directory, quantized: made))
    var linears = 0
    for (layer, pair) in zip(stored.layers, quantized.layers).enumerated() {
      for group in InputGroup.allCases {
        let weights = group.modules.map(pair.0.weight)
        for (place, module) in group.modules.enumerated() {
          let expected = try Self.form(storage).quantized(weights, at: place, ThreadPool(threads: 1))
            .required("finite weights")
          #expect(bits(pair.1.weight(module).widened()) == bits(expected.widened()))
          #expect(bits(again.weight(module, layer: layer).widened()) == bits(expected.widened()))
          linears += expected.byteCount
        }
      }
    }
    #expect(bits(quantized.embedding.widened()) == bits(stored.embedding.widened()))
    if storage == .int8 {
      let expected = try Self.form(storage).quantized([stored.head], at: 0, ThreadPool(threads: 1))
        .required("finite weights")
      #expect(bits(quantized.head.widened()) == bits(expected.widened()))
      #expect(bits(quantized.withHead(of: directory).head.widened()) == bits(stored.head.widened()))
      linears += expected.byteCount
    }
    #expect(quantized.sharedByteCount() == linears + (storage == .int8 ? 0 : stored.embedding.byteCount))
    // Only the matrices, their header and the checksum.
    #expect(bytes > linears && bytes < linears + 16_000, "\(bytes) \(linears)")
  }

  @Test func `what a killed process left is removed`() throws {
    let scratch = try TemporaryDirectory()
    _ = try Self.file(.int8, in: scratch)
    let path = try Self.cached(.int8, scratch).path
    try FileManager.default.removeItem(atPath: path)
    for suffix in ["tmp-123", "tmp-123-4"] { try Data([1]).write(to: URL(fileURLWithPath: "\(path).\(suffix)")) }
    try Data([1]).write(to: URL(fileURLWithPath: "\(scratch.path("cache/int8"))/other.safetensors.tmp-9"))
    _ = try Self.file(.int8, in: scratch)
    let names = try Self.cached(.int8, scratch).names
    #expect(names.count == 3 && names.filter { $0.contains(".tmp-") } == ["other.safetensors.tmp-9"], "\(names)")
  }

  @Test func `int8 entries are codes times scales times factors, and close to the weights`() throws {
    let scratch = try TemporaryDirectory()
    let path = TinyFixture.path("model")
    let made = try Self.file(.int8, in: scratch, of: path)
    let stored = try LanguageModel(ModelDirectory(path))
    let file = try SafetensorsFile(path: Self.cached(.int8, scratch).path)
    func numbers(_ name: String, _ suffix: String) throws -> [Float] {
      Array(file.bytes(of: try file.tensors[name + suffix].required(name)).bindMemory(to: Float.self))
    }
    var largest = Float(0)
    for (layer, weights) in stored.layers.enumerated() {
      for module in LinearModule.allCases {
        let name = WeightName.linear(module, layer: layer).hubName
        let group = try InputGroup.allCases.first { $0.modules.contains(module) }.required("group")
        let first = WeightName.linear(group.modules[0], layer: layer).hubName
        let codes = file.bytes(of: try file.tensors[name].required(name))
        let (scales, factors) = try (numbers(name, ".scales"), numbers(name, ".factors"))
        #expect(factors.allSatisfy { $0 > 0 && $0.significand == 1 }, "\(name)")
        #expect(try factors == numbers(first, ".factors"), "factors belong to an input: \(name)")
        let (exact, found) = (weights.weight(module).widened(), made.weight(module, layer: layer).widened())
        #expect(found.rows == scales.count && found.columns == factors.count && codes.count == found.elements.count)
        for row in 0..<found.rows {
          for (column, factor) in factors.enumerated() {
            let place = row * factors.count + column
            #expect(found.elements[place] == Float(Int(codes[place]) - 128) * scales[row] * factor)
            largest = max(largest, abs(found.elements[place] - exact.elements[place]) / (scales[row] * factor))
          }
        }
      }
    }
    #expect(largest > 0.25 && largest < 0.501, "half a step at most: \(largest)")
  }

  @Test func `forms have keys of their own, and NF4 the one of earlier versions`() {
    let keys = WeightStorage.allCases.map { $0.contentHash(modelHash: "m") }
    #expect(keys[0] == "m" && Set(keys).count == 3 && Set(keys.map(\.count)) == [1, 64])
    #expect(WeightStorage.nf4.contentHash(modelHash: "m") == ContentHash.sha256(of: Array("m nf4-1".utf8)))
    #expect(WeightStorage.int8.contentHash(modelHash: "n") != WeightStorage.int8.contentHash(modelHash: "m"))
  }

  @Test func `another form than in training is told`() {
    for trained in WeightStorage.allCases {
      let origin = AdapterOrigin(baseModel: "b", baseHash: "h", storage: trained, prompts: .text, endOfSequence: nil)
      for used in WeightStorage.allCases {
        let found = origin.mismatches(model: "m", hash: "h", storage: used, adapter: "a")
        let sentence = "warning: a was trained on a base \(trained.text), but m is used \(used.text)"
        #expect(found == (used == trained ? [] : [sentence]))
      }
    }
    #expect(WeightStorage.allCases.map(\.text) == ["as stored", "in 4 bits (NF4)", "in 8 bits (int8)"])
  }

  @Test(arguments: quantized) func `damage is seen and made good`(storage: WeightStorage) throws {
    let scratch = try TemporaryDirectory()
    _ = try Self.file(storage, in: scratch)
    let path = try Self.cached(storage, scratch).path
    let sound = try Data(contentsOf: URL(fileURLWithPath: path))
    func remade(_ damaged: Data) throws {
      try damaged.write(to: URL(fileURLWithPath: path))
      var isRemade = false
      _ = try Self.file(storage, in: scratch) { _, _ in isRemade = true }
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
    _ = try QuantizedFile(
      of: other, as: Self.form(storage), modelHash: "another", cacheDirectory: scratch.path("cache"), threads: 1)
    let foreign = try Data(contentsOf: URL(fileURLWithPath: Self.cached(storage, scratch).path))
    try remade(foreign)
  }

  /// Flips one bit of every byte, at changing positions.
  @Test func `flipped bits are seen`() throws {
    let scratch = try TemporaryDirectory()
    _ = try Self.file(.nf4, in: scratch)
    let directory = try ModelDirectory(Self.modelPath)
    let key = NF4Form.contentHash(modelHash: try directory.contentHash(ContentHash(cacheDirectory: nil)))
    let path = try Self.cached(.nf4, scratch).path
    func isOpened(as form: any QuantizedForm.Type) -> Bool {
      QuantizedFile.opened(path, as: form, key: key, directory.configuration) != nil
    }
    #expect(isOpened(as: NF4Form.self) && !isOpened(as: Int8Form.self))
    let flips = FlippedBits()
    try flips.forEach(of: path, isSampled: true) { !isOpened(as: NF4Form.self) }
    #expect(flips.count > 30_000 && flips.missed == [], "\(flips.missed.prefix(5))")
  }

  @Test(arguments: quantized) func `several at once`(storage: WeightStorage) throws {
    let scratch = try TemporaryDirectory()
    let layers = Atomic(0)
    let sums = Mutex<[[UInt32]]>([])
    DispatchQueue.concurrentPerform(iterations: 6) { _ in
      do {
        let file = try Self.file(storage, in: scratch) { _, _ in layers.add(1, ordering: .relaxed) }
        let found = bits(file.weight(.down, layer: 1).widened())
        sums.withLock { $0.append(found) }
      } catch {
        Issue.record(error)
      }
    }
    #expect(layers.load(ordering: .relaxed) == 2, "one of them quantises two layers")
    sums.withLock { sums in #expect(sums.count == 6 && sums.allSatisfy { $0 == sums[0] }) }
    #expect(try Self.cached(storage, scratch).names.count == 2)
  }

  @Test func `NF4 needs whole blocks`() throws {
    let scratch = try TemporaryDirectory()
    let widths = #expect(throws: ContentError.self) { try Self.file(.nf4, in: scratch, of: TinyFixture.path("model")) }
    #expect(widths?.problems.count == 7)
    #expect(
      widths?.description.contains("\"q_proj\" has 48 inputs, expected a multiple of 64, or a base that is not in NF4")
        == true)
    #expect(throws: ContentError.self) {
      try MergedExport(
        ModelDirectory(TinyFixture.path("model")), nil, into: .nf4, type: nil, pool: ThreadPool(threads: 1))
    }
  }

  @Test(arguments: quantized) func `refusals`(storage: WeightStorage) throws {
    let scratch = try TemporaryDirectory()
    let form = try Self.form(storage)
    let directory = try ModelDirectory(Self.modelPath)
    let homeless = #expect(throws: ContentError.self) {
      try QuantizedFile(of: directory, as: form, modelHash: "", cacheDirectory: nil, threads: 1)
    }
    #expect(homeless?.description.contains("SHOAL_CACHE") == true)

    // A directory of the kernel's: nobody can write there, not even root.
    let unwritable = #expect(throws: ContentError.self) {
      try QuantizedFile(of: directory, as: form, modelHash: "", cacheDirectory: "/proc/.cache/shoal", threads: 1)
    }
    #expect(unwritable?.description.contains("no place for its \(form.name) form") == true)
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
    let infinite = #expect(throws: ContentError.self) { try Self.file(storage, in: scratch, of: broken) }
    #expect(infinite?.problems.map(\.item) == [name])
    #expect(infinite?.description.contains("finite numbers: \(form.name) has no other") == true)
    let left = try FileManager.default.contentsOfDirectory(atPath: scratch.path("cache/\(storage.rawValue)"))
    #expect(left.allSatisfy { $0.hasSuffix(".lock") }, "\(left)")
    #expect(throws: ContentError.self) {
      try MergedExport(ModelDirectory(broken), nil, into: storage, type: nil, pool: ThreadPool(threads: 1))
        .write(InferenceFiles(adapter: nil, base: broken), to: scratch.path("merged"), shardBytes: 1 << 30)
    }
    #expect(!FileManager.default.fileExists(atPath: scratch.path("merged")))
  }
}
