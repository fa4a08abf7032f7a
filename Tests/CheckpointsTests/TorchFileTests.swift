import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

/// Files of torch.save: those of Tests/Fixtures/bert_score_models.py, and damaged ones made here.
@Suite struct TorchFileTests {
  private static let fixture = Repository.fixture("bert/deberta/pytorch_model.bin")

  /// A zip archive of stored members, as torch writes it but for alignment.
  private static func archive(_ members: [(name: String, bytes: [UInt8])]) -> [UInt8] {
    func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 255) } }
    var (file, directory): ([UInt8], [UInt8]) = ([], [])
    for (name, bytes) in members {
      let sizes = little(0, 4) + little(bytes.count, 4) + little(bytes.count, 4) + little(name.utf8.count, 2)
      let offset = file.count
      file += little(0x0403_4b50, 4) + little(0, 10) + sizes + little(0, 2) + Array(name.utf8) + bytes
      directory += little(0x0201_4b50, 4) + little(0, 12) + sizes + little(0, 12) + little(offset, 4) + Array(name.utf8)
    }
    return file + directory + little(0x0605_4b50, 4) + little(0, 4) + little(members.count, 2)
      + little(members.count, 2) + little(directory.count, 4) + little(file.count, 4) + little(0, 2)
  }

  private static func text(_ text: String) -> [UInt8] { [0x58, UInt8(text.utf8.count), 0, 0, 0] + Array(text.utf8) }
  private static func number(_ number: Int) -> [UInt8] { [0x4A] + (0..<4).map { UInt8(number >> (8 * $0) & 255) } }
  private static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }

  private static func joined(_ parts: [UInt8]...) -> [UInt8] { Array(parts.joined()) }

  /// The opcodes of a view of storage "0".
  private static func tensor(
    type: String = "FloatStorage", count: Int = 6, offset: Int = 0, shape: [Int] = [2, 3], strides: [Int] = [3, 1]
  ) -> [UInt8] {
    let identity = joined(
      [0x28], text("storage"), global("torch", type), text("0"), text("cpu"), number(count), [0x74, 0x51])
    let axes = [shape, strides].map { joined([0x28], Array($0.map(number).joined()), [0x74]) }
    let hooks = joined(global("collections", "OrderedDict"), [0x29, 0x52])
    return joined(
      global("torch._utils", "_rebuild_tensor_v2"), [0x28], identity, number(offset), axes[0], axes[1], [0x89], hooks,
      [0x74, 0x52])
  }

  /// A dictionary of one name.
  private static func dictionary(_ value: [UInt8], name: String = "w") -> [UInt8] {
    joined([0x80, 2, 0x7D, 0x28], text(name), value, [0x75, 0x2E])
  }

  private static func read(_ bytes: [UInt8]) throws -> TorchFile {
    let scratch = try TemporaryDirectory()
    return try TorchFile(path: try scratch.write("pytorch_model.bin", bytes))
  }

  private static func read(pickle: [UInt8], storage: Int = 24) throws -> TorchFile {
    let data = (0..<storage).map { UInt8(truncatingIfNeeded: $0) }
    return try read(archive([("m/data.pkl", pickle), ("m/data/0", data)]))
  }

  // MARK: Sound files

  @Test func `tensors are views of their storages`() throws {
    let file = try Self.read(pickle: Self.dictionary(Self.tensor(count: 6, offset: 2, shape: [4], strides: [1])))
    let entry = try #require(file.tensors["w"])
    #expect(entry.type == .float32 && entry.shape == [4])
    #expect(Array(file.file.bytes[entry.range]) == Array(8..<24))
  }

  /// Both forms of torch.save, in the same numbers as torch reads: the encoder's tests compare what comes of them.
  @Test(arguments: ["deberta", "deberta-near"]) func `files of torch`(name: String) throws {
    let file = try TorchFile(path: Repository.fixture("bert/\(name)/pytorch_model.bin"))
    #expect(file.tensors.values.allSatisfy { $0.type == .float16 && !$0.range.isEmpty })
    #expect(file.tensors["encoder.layer.2.attention.self.in_proj.weight"]?.shape == [48, 16])
    let rows = try #require(file.tensors["encoder.rel_embeddings.weight"]).shape[0]
    #expect(rows == (name == "deberta" ? 80 : 14))
  }

  @Test func `a directory is read from either form, safetensors first`() throws {
    let scratch = try TemporaryDirectory()
    #expect(throws: ContentError.self) { try StoredTensors(directory: scratch.path) }
    try scratch.write("pytorch_model-1.bin", Data(contentsOf: URL(fileURLWithPath: Self.fixture)))
    let names = try TorchFile(path: Self.fixture).names
    let map = JSONValue.object(names.map { .init($0, "pytorch_model-1.bin") })
    try scratch.write("pytorch_model.bin.index.json", JSONValue.object([.init("weight_map", map)]).serialized())
    #expect(try StoredTensors(directory: scratch.path).names.sorted() == names)
    try AtomicFile.write(to: scratch.path("model.safetensors")) {
      try SafetensorsWriter.write(
        [OutgoingTensor(name: "a", type: .uint8, shape: [1]) { try [UInt8(7)].withUnsafeBytes($0) }], to: $0)
    }
    let tensors = try StoredTensors(directory: scratch.path)
    #expect(tensors.names.sorted() == ["a"] && tensors["a"].map { Array($0.bytes) } == [7])
  }

  // MARK: Refused files

  struct Bad: Sendable, CustomTestStringConvertible {
    var reason: String
    var pickle: [UInt8]
    var storage = 24
    var testDescription: String { reason }
  }

  /// Each pickle breaks one rule; `reason` is part of the error.
  @Test(arguments: [
    Bad(
      reason: "\"os.system\" is named",
      pickle: joined([0x80, 2], global("os", "system"), text("x"), [0x85, 0x52, 0x2E])),
    Bad(reason: "\"builtins.eval\"", pickle: dictionary(joined(text("builtins"), text("eval"), [0x93]))),
    Bad(reason: "torch.DoubleStorage", pickle: dictionary(tensor(type: "DoubleStorage"))),
    Bad(
      reason: "a call of torch FloatStorage", pickle: dictionary(joined(global("torch", "FloatStorage"), [0x29, 0x52]))),
    Bad(reason: "the opcode 0x69", pickle: [0x80, 2, 0x28, 0x69]),
    Bad(reason: "holds no dictionary", pickle: [0x80, 2, 0x4E, 0x2E]),
    Bad(reason: "\"w\" is not a tensor", pickle: dictionary(number(3))),
    Bad(reason: "is in a storage of 20 bytes", pickle: dictionary(tensor()), storage: 20),
    Bad(reason: "a dense tensor inside", pickle: dictionary(tensor(offset: 1))),
    Bad(reason: "a dense tensor inside", pickle: dictionary(tensor(offset: -1))),
    Bad(reason: "a dense tensor inside", pickle: dictionary(tensor(shape: [3, 2], strides: [1, 3]))),
    Bad(
      reason: "a dense tensor inside", pickle: dictionary(tensor(shape: [0x7FFF_FFFF, 0x7FFF_FFFF], strides: [0, 0]))),
    Bad(
      reason: "a dense tensor inside",
      pickle: dictionary(
        tensor(shape: [0x7FFF_FFFF, 0x7FFF_FFFF, 0x7FFF_FFFF], strides: [0x4000_0000, 0x7FFF_FFFF, 1]))),
    Bad(reason: "a storage with an unknown", pickle: dictionary(tensor(count: -6))),
    Bad(
      reason: "a tensor with an unknown", pickle: dictionary(tensor(shape: [1, 1, 1, 2, 3], strides: [6, 6, 6, 3, 1]))),
    Bad(reason: "an empty stack", pickle: [0x80, 2, 0x2E]),
    Bad(reason: "an empty stack", pickle: [0x80, 2, 0x7D, 0x28, 0x52, 0x2E]),
    Bad(reason: "no mark", pickle: [0x80, 2, 0x74, 0x2E]),
    Bad(reason: "nothing is remembered", pickle: [0x80, 2, 0x68, 9, 0x2E]),
    Bad(reason: "nothing to remember", pickle: [0x80, 2, 0x71, 0]),
    Bad(reason: "ends too early", pickle: [0x80, 2, 0x7D, 0x28]),
    Bad(reason: "a text of", pickle: [0x80, 2, 0x58, 0xFF, 0xFF, 0xFF, 0xFF]),
    Bad(reason: "a name of more than", pickle: [0x80, 2, 0x63] + [UInt8](repeating: 0x61, count: 300)),
    Bad(reason: "protocol 1", pickle: [0x80, 1]),
  ])
  func `a pickle that breaks a rule is refused`(bad: Bad) throws {
    let error = #expect(throws: ContentError.self) { try Self.read(pickle: bad.pickle, storage: bad.storage) }
    #expect(error?.description.contains(bad.reason) == true, "\(error?.description ?? "")")
  }

  /// A million tuples inside each other, lists in themselves, and the same thing remembered again and again.
  @Test func `nothing nests`() throws {
    let count = 1_000_000
    let nested = Self.joined([0x80, 2, 0x4E], [UInt8](repeating: 0x85, count: count), [0x2E])
    #expect(throws: ContentError.self) { try Self.read(pickle: nested) }
    let itself: [UInt8] = [0x80, 2, 0x5D, 0x71, 0, 0x68, 0, 0x61, 0x2E]
    #expect(throws: ContentError.self) { try Self.read(pickle: itself) }
    let again = [[UInt8]](repeating: [0x71, 0, 0x68, 0, 0x86], count: count / 4)
    let doubled = Self.joined([0x80, 2, 0x29], Array(again.joined()), [0x2E])
    #expect(throws: ContentError.self) { try Self.read(pickle: doubled) }
  }

  @Test func `archives that overlap, lack a member or are compressed are refused`() throws {
    let pickle = Self.dictionary(Self.tensor())
    let data = [UInt8](repeating: 1, count: 24)
    func reason(_ bytes: [UInt8]) -> String {
      do {
        _ = try Self.read(bytes)
        return "read"
      } catch { return "\(error)" }
    }
    #expect(reason(Self.archive([("m/data.pkl", pickle), ("m/data/0", data)])) == "read")
    #expect(reason(Self.archive([("m/data.pkl", pickle)])).contains("\"m/data/0\" is missing"))
    #expect(reason(Self.archive([("m/data/0", data)])).contains("0 members data.pkl"))
    #expect(reason(Self.archive([("m/data.pkl", pickle), ("m/data.pkl", pickle)])).contains("occurs twice"))
    #expect(
      reason(Self.archive([("m/data.pkl", pickle), ("m/data/0", data), ("m/byteorder", Array("big".utf8))]))
        .contains("is not little"))
    var file = Self.archive([("m/data.pkl", pickle), ("m/data/0", data)])
    let second = file.count - 22 - 46 - "m/data/0".utf8.count
    let first = second - 46 - "m/data.pkl".utf8.count
    // The second member's place is that of the first, which is larger.
    (file[second + 42], file[second + 43]) = (file[first + 42], file[first + 43])
    #expect(reason(file).contains("shares bytes"))
    file = Self.archive([("m/data.pkl", pickle), ("m/data/0", data)])
    file[second + 10] = 8
    #expect(reason(file).contains("compressed"))
    file = Self.archive([("m/data.pkl", pickle), ("m/data/0", data)])
    (file[second + 20], file[second + 24]) = (255, 255)
    #expect(reason(file).contains("beyond the archive"))
    #expect(reason(Array("PK\u{03}\u{04}".utf8)).contains("no directory"))
    #expect(reason(Array("GGUF".utf8)).contains("not a file of torch.save"))
  }

  /// Cut anywhere, or with a bit flipped, a file is read or refused.
  @Test(arguments: ["deberta", "deberta-near"]) func `damaged files`(name: String) throws {
    let bytes = [UInt8](
      try Data(contentsOf: URL(fileURLWithPath: Repository.fixture("bert/\(name)/pytorch_model.bin"))))
    for count in stride(from: 0, to: bytes.count, by: 997) {
      #expect { try Self.read(Array(bytes.prefix(count))) } throws: { $0 is any UserError }
    }
    let random = CounterRandom(key: 7)
    for index in 0..<400 {
      var damaged = bytes
      let place = Int(random.word(stream: 0, index: UInt64(index)) % UInt64(8000 * 8))
      // The pickle is at the start, the directory at the end.
      let byte = index % 2 == 0 ? place / 8 : bytes.count - 1 - place / 8
      damaged[byte] ^= 1 << UInt8(place % 8)
      if let file = try? Self.read(damaged) {
        for entry in file.tensors.values { _ = file.file.bytes[entry.range].reduce(0, &+) }
      }
    }
  }
}
