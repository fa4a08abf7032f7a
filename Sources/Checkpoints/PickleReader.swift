// Reads a pickle of tensors: the opcodes of protocols 2 to 4 that torch.save writes for a state dictionary. It calls
// nothing: a name outside of PickleGlobal, and an opcode outside of this list, end the reading.

import Tensors

/// Reads pickles that follow each other in a file.
struct PickleReader {
  private static let maximumBytes = 64 << 20
  private static let maximumMemos = 1 << 22

  private let path: String
  private let bytes: UnsafeRawBufferPointer
  /// The place of the next opcode.
  private(set) var position: Int
  private let limit: Int

  private var stack: [PickleValue] = []
  /// The stack's heights at each mark.
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private var sequences: [[PickleValue]] = []
  private var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []

  init(_ file: MappedFile, at range: Range<Int>) {
    (path, bytes, position) = (file.path, file.bytes, range.lowerBound)
    limit = min(range.upperBound, range.lowerBound + Self.maximumBytes)
  }

  func items(_ sequence: Int) -> [PickleValue] { sequences[sequence] }
  func members(_ dictionary: Int) -> [(key: PickleValue, value: PickleValue)] { dictionaries[dictionary] }

  func failure(_ found: String) -> ContentError {
    ContentError(path, "is not a pickle of tensors, at byte \(position): \(found)")
  }

  /// Reads the next pickle.
  /// - Throws: `ContentError` with the name or the opcode that no state dictionary has.
  mutating func next() throws(ContentError) -> PickleValue {
    (stack, marks, memo) = ([], [], [:])
    while true {
      let opcode = try byte()
      if opcode == UInt8(ascii: ".") { return try pop() }
      try run(opcode)
    }
  }

  // MARK: Opcodes

  private mutating func run(_ opcode: UInt8) throws(ContentError) {
    switch opcode {
    case 0x80:
      let version = try byte()
      guard 2...5 ~= version else { throw failure("protocol \(version), expected 2 to 5") }
    case 0x95: _ = try integer(8)
    case UInt8(ascii: "("): marks.append(stack.count)
    case UInt8(ascii: "N"): stack.append(.none)
    case 0x88: stack.append(.bool(true))
    case 0x89: stack.append(.bool(false))
    case UInt8(ascii: "K"): stack.append(.integer(try integer(1)))
    case UInt8(ascii: "M"): stack.append(.integer(try integer(2)))
    case UInt8(ascii: "J"): stack.append(.integer(Int(Int32(truncatingIfNeeded: try integer(4)))))
    case 0x8A: stack.append(.integer(try longInteger()))
    case UInt8(ascii: "G"):
      stack.append(.number(Double(bitPattern: UInt64(bitPattern: Int64(try integer(8, isBigEndian: true))))))
    case UInt8(ascii: "X"): stack.append(.text(try text(try integer(4))))
    case 0x8C, UInt8(ascii: "U"): stack.append(.text(try text(try integer(1))))
    default: try runStructure(opcode)
    }
  }

  private mutating func runStructure(_ opcode: UInt8) throws(ContentError) {
    switch opcode {
    case UInt8(ascii: "]"), UInt8(ascii: ")"): pushSequence([])
    case UInt8(ascii: "}"): pushDictionary()
    case 0x85: pushSequence(try pop(count: 1))
    case 0x86: pushSequence(try pop(count: 2))
    case 0x87: pushSequence(try pop(count: 3))
    case UInt8(ascii: "t"): pushSequence(try popToMark())
    case UInt8(ascii: "a"): try append(try pop(count: 1))
    case UInt8(ascii: "e"): try append(try popToMark())
    case UInt8(ascii: "s"): try set(try pop(count: 2))
    case UInt8(ascii: "u"): try set(try popToMark())
    case UInt8(ascii: "q"): try memoize(try integer(1))
    case UInt8(ascii: "r"): try memoize(try integer(4))
    case 0x94: try memoize(memo.count)
    case UInt8(ascii: "h"): try recall(try integer(1))
    case UInt8(ascii: "j"): try recall(try integer(4))
    case UInt8(ascii: "c"): try pushGlobal(try line(), try line())
    case 0x93:
      let names = try pop(count: 2)
      guard case .text(let module) = names[0], case .text(let name) = names[1] else {
        throw failure("a nameless global")
      }
      try pushGlobal(module, name)
    case UInt8(ascii: "Q"): stack.append(.storage(try storage(try pop())))
    case UInt8(ascii: "R"): try reduce()
    // The state that BUILD would give an object: a module's version numbers.
    case UInt8(ascii: "b"): _ = try pop()
    default: throw failure("the opcode 0x\(String(opcode, radix: 16)), which a state dictionary does not need")
    }
  }

  private mutating func pushSequence(_ items: [PickleValue]) {
    sequences.append(items)
    stack.append(.sequence(sequences.count - 1))
  }

  private mutating func pushDictionary() {
    dictionaries.append([])
    stack.append(.dictionary(dictionaries.count - 1))
  }

  private mutating func append(_ items: [PickleValue]) throws(ContentError) {
    guard case .sequence(let list)? = stack.last else { throw failure("items without a list") }
    sequences[list] += items
  }

  private mutating func set(_ items: [PickleValue]) throws(ContentError) {
    guard case .dictionary(let dictionary)? = stack.last, items.count.isMultiple(of: 2) else {
      throw failure("members without a dictionary")
    }
    for index in stride(from: 0, to: items.count, by: 2) {
      dictionaries[dictionary].append((items[index], items[index + 1]))
    }
  }

  // MARK: Names, storages and tensors

  private mutating func pushGlobal(_ module: String, _ name: String) throws(ContentError) {
    guard let global = PickleGlobal(rawValue: "\(module) \(name)") else {
      throw ContentError(
        path, "\(module.prefix(100)).\(name.prefix(100))",
        "is named by the pickle, and a state dictionary has no use for it",
        expected: "tensors of float32, float16, bfloat16, int64 or uint8 and nothing else (convert it to safetensors)")
    }
    stack.append(.global(global))
  }

  /// ("storage", type, key, location, count), and a view in files before torch 1.6.
  private func storage(_ identity: PickleValue) throws(ContentError) -> TorchStorage {
    guard case .sequence(let number) = identity else { throw failure("a storage without a description") }
    let items = sequences[number]
    guard items.count == 5 || items.count == 6, case .text("storage") = items[0], case .global(let global) = items[1],
      let type = global.element, case .text(let key) = items[2], case .integer(let count) = items[4],
      0...1 << 48 ~= count
    else { throw failure("a storage with an unknown description") }
    if items.count == 6, case .none = items[5] {} else if items.count == 6 { throw failure("a view of a storage") }
    return TorchStorage(type: type, key: key, count: count)
  }

  private mutating func reduce() throws(ContentError) {
    guard case .sequence(let number) = try pop(), case .global(let global) = try pop() else {
      throw failure("a call without a name")
    }
    let arguments = sequences[number]
    switch global {
    case .orderedDictionary where arguments.isEmpty: pushDictionary()
    case .parameter:
      guard case .tensor(let tensor)? = arguments.first else { throw failure("a parameter without a tensor") }
      stack.append(.tensor(tensor))
    case .tensor: stack.append(.tensor(try tensor(arguments)))
    default: throw failure("a call of \(global.rawValue)")
    }
  }

  private func tensor(_ arguments: [PickleValue]) throws(ContentError) -> TorchTensor {
    guard arguments.count >= 4, case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1],
      let shape = integers(arguments[2]), let strides = integers(arguments[3])
    else { throw failure("a tensor with an unknown description") }
    return TorchTensor(storage: storage, offset: offset, shape: shape, strides: strides)
  }

  /// A tensor has at most four axes.
  private func integers(_ value: PickleValue) -> [Int]? {
    guard case .sequence(let number) = value, sequences[number].count <= 4 else { return nil }
    let integers = sequences[number].compactMap { if case .integer(let value) = $0 { value } else { nil } }
    return integers.count == sequences[number].count ? integers : nil
  }

  // MARK: Stack and memo

  private mutating func pop() throws(ContentError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else { throw failure("an empty stack") }
    return value
  }

  private mutating func pop(count: Int) throws(ContentError) -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else { throw failure("an empty stack") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws(ContentError) -> [PickleValue] {
    guard let mark = marks.popLast() else { throw failure("no mark") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func memoize(_ index: Int) throws(ContentError) {
    guard let value = stack.last, memo.count < Self.maximumMemos else { throw failure("nothing to remember") }
    memo[index] = value
  }

  private mutating func recall(_ index: Int) throws(ContentError) {
    guard let value = memo[index] else { throw failure("nothing is remembered under \(index)") }
    stack.append(value)
  }

  // MARK: Bytes

  private mutating func byte() throws(ContentError) -> UInt8 {
    guard position < limit else { throw failure("it ends too early, or has more than \(Self.maximumBytes) bytes") }
    defer { position += 1 }
    return bytes[position]
  }

  /// An unsigned number of `count` bytes, as bits.
  private mutating func integer(_ count: Int, isBigEndian: Bool = false) throws(ContentError) -> Int {
    var value: UInt64 = 0
    for index in 0..<count {
      let byte = UInt64(try byte())
      if isBigEndian { value = value << 8 | byte } else { value |= byte << UInt64(8 * index) }
    }
    return Int(truncatingIfNeeded: value)
  }

  /// A signed number of any length; those beyond 64 bits, such as the number that old files begin with, become -1.
  private mutating func longInteger() throws(ContentError) -> Int {
    let count = try integer(1)
    guard count <= 8 else {
      _ = try text(count)
      return -1
    }
    let value = try integer(count)
    guard count > 0, count < 8, value >> (8 * count - 1) & 1 == 1 else { return value }
    return value - 1 << (8 * count)
  }

  private mutating func text(_ count: Int) throws(ContentError) -> String {
    guard count >= 0, count <= limit - position else { throw failure("a text of \(count) bytes") }
    defer { position += count }
    return String(decoding: bytes[position..<position + count], as: UTF8.self)
  }

  /// A text up to the end of its line.
  private mutating func line() throws(ContentError) -> String {
    let start = position
    while try byte() != UInt8(ascii: "\n") {
      guard position - start <= 256 else { throw failure("a name of more than 256 bytes") }
    }
    return String(decoding: bytes[start..<position - 1], as: UTF8.self)
  }
}
