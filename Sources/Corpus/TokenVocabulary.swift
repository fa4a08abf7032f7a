// The vocabulary of tokenizer.json.

/// The tokens by id and the ids by token.
struct TokenVocabulary: Sendable {
  /// By id; empty if an id has no token.
  private(set) var names: [String] = []
  /// A hash table of ids by the bytes of names: Swift's own tables compare strings by Unicode equivalence.
  private var slots: [Int32]
  private var count = 0

  init(capacity: Int) {
    slots = [Int32](repeating: -1, count: 16)
    reserve(capacity)
  }

  /// False if the id already has a token; the name must be new.
  mutating func insert(_ name: String, _ id: Int) -> Bool {
    if id >= names.count { names.append(contentsOf: repeatElement("", count: id + 1 - names.count)) }
    guard names[id].isEmpty else { return false }
    names[id] = name
    count += 1
    reserve(count)
    slots[slot(of: name.utf8, EmptyCollection<UInt8>())] = Int32(id)
    return true
  }

  /// The name of a token; nil if no token has the id.
  func name(of id: Int32) -> String? {
    names.indices.contains(Int(id)) && !names[Int(id)].isEmpty ? names[Int(id)] : nil
  }

  func id(of name: some Collection<UInt8>) -> Int32? { id(of: name, EmptyCollection<UInt8>()) }

  /// The id of the token whose name is the two names joined.
  func id(of first: some Collection<UInt8>, _ second: some Collection<UInt8>) -> Int32? {
    let id = slots[slot(of: first, second)]
    return id < 0 ? nil : id
  }

  /// The id of the token that is a piece of a text as a whole.
  func id(ofPiece piece: UnsafeBufferPointer<UInt8>) -> Int32? {
    var name: [UInt8] = []
    name.reserveCapacity(2 * piece.count)
    for byte in piece { name.append(contentsOf: UTF8.encode(ByteAlphabet.characters[Int(byte)]) ?? .init()) }
    return id(of: name)
  }

  private mutating func reserve(_ capacity: Int) {
    guard slots.count < 2 * capacity else { return }
    var size = slots.count
    while size < 2 * capacity { size *= 2 }
    slots = [Int32](repeating: -1, count: size)
    for (id, name) in names.enumerated() where !name.isEmpty {
      slots[slot(of: name.utf8, EmptyCollection<UInt8>())] = Int32(id)
    }
  }

  private func slot(of first: some Collection<UInt8>, _ second: some Collection<UInt8>) -> Int {
    // Hasher is seeded per process, so an attacker cannot prepare a file of colliding names.
    var hasher = Hasher()
    for byte in first { hasher.combine(byte) }
    for byte in second { hasher.combine(byte) }
    var slot = hasher.finalize() & (slots.count - 1)
    while slots[slot] >= 0 {
      let name = names[Int(slots[slot])].utf8
      if name.count == first.count + second.count, name.starts(with: first),
        name.dropFirst(first.count).elementsEqual(second)
      {
        break
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }
}
