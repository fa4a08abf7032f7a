// pytorch_model.bin: what torch.save writes for a state dictionary, read without running any of it.

package import Tensors

/// A file of torch.save, mapped read-only: a zip archive (torch 1.6 and later), or one pickle after another (before).
package final class TorchFile: Sendable {
  /// The place, type and shape of one tensor. Tensors may share bytes.
  package typealias Entry = SafetensorsFile.Entry

  package let file: MappedFile
  package let tensors: [String: Entry]

  package var path: String { file.path }
  /// The tensors' names, sorted.
  package var names: [String] { tensors.keys.sorted() }

  /// Maps `path` and finds its tensors.
  /// - Throws: `FileError` if it cannot be mapped; `ContentError` if it is damaged, or has anything but dense tensors.
  package init(path: String) throws {
    file = try MappedFile(path: path)
    let bytes = file.bytes
    if bytes.starts(with: Array("PK\u{03}\u{04}".utf8)) {
      tensors = try Self.archived(file)
    } else if bytes.count > 1, bytes[0] == 0x80 {
      tensors = try Self.sequential(file)
    } else {
      throw ContentError(path, "is not a file of torch.save", expected: "a zip archive, or a pickle")
    }
    guard !tensors.isEmpty else { throw ContentError(path, "holds no tensor") }
  }

  // MARK: Archives

  private static func archived(_ file: MappedFile) throws(ContentError) -> [String: Entry] {
    let members = try ZipEntries(file)
    let pickles = members.ranges.keys.filter { $0.hasSuffix("/data.pkl") }
    guard let pickle = pickles.first, pickles.count == 1, let range = members.ranges[pickle] else {
      throw ContentError(file.path, "has \(pickles.count) members data.pkl", expected: "one")
    }
    let prefix = pickle.dropLast("data.pkl".count)
    if let order = members.ranges["\(prefix)byteorder"], !file.bytes[order].elementsEqual("little".utf8) {
      throw ContentError(file.path, "\(prefix)byteorder", "is not little")
    }
    var reader = PickleReader(file, at: range)
    let root = try reader.next()
    return try tensors(of: root, reader, file) { storage throws(ContentError) in
      guard let range = members.ranges["\(prefix)data/\(storage.key)"] else {
        throw ContentError(file.path, "\(prefix)data/\(storage.key.prefix(100))", "is missing")
      }
      return range
    }
  }

  // MARK: Files before torch 1.6

  /// A number, a version, sizes, the tensors, the storages' keys; then each storage, its count before it.
  private static func sequential(_ file: MappedFile) throws(ContentError) -> [String: Entry] {
    var reader = PickleReader(file, at: 0..<file.bytes.count)
    _ = try reader.next()
    guard case .integer(1001) = try reader.next(), case .dictionary(let system) = try reader.next() else {
      throw ContentError(file.path, "is not a file of torch.save", expected: "its protocol 1001")
    }
    for (key, value) in reader.members(system) {
      if case .text("little_endian") = key, case .bool(false) = value {
        throw ContentError(file.path, "is big-endian", expected: "little-endian")
      }
    }
    let root = try reader.next()
    let keys = try reader.next()
    guard case .sequence(let list) = keys else { throw reader.failure("no list of storages") }
    let types = storages(of: root, reader)
    var ranges: [String: Range<Int>] = [:]
    var position = reader.position
    for key in reader.items(list) {
      guard case .text(let key) = key, let storage = types[key] else { throw reader.failure("an unknown storage") }
      guard position <= file.bytes.count - 8,
        file.bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) == UInt64(storage.count),
        storage.count * storage.type.bytes <= file.bytes.count - position - 8
      else { throw ContentError(file.path, "is truncated, or its storage \(key.prefix(100)) has another size") }
      let start = position + 8
      position = start + storage.count * storage.type.bytes
      guard ranges.updateValue(start..<position, forKey: key) == nil else {
        throw reader.failure("a storage that is there twice")
      }
    }
    return try tensors(of: root, reader, file) { storage throws(ContentError) in
      guard let range = ranges[storage.key] else { throw reader.failure("a storage that is not there") }
      return range
    }
  }

  private static func storages(of root: PickleValue, _ reader: PickleReader) -> [String: TorchStorage] {
    guard case .dictionary(let dictionary) = root else { return [:] }
    var storages: [String: TorchStorage] = [:]
    for (_, value) in reader.members(dictionary) {
      if case .tensor(let tensor) = value { storages[tensor.storage.key] = tensor.storage }
    }
    return storages
  }

  // MARK: Tensors

  private static func tensors(
    of root: PickleValue, _ reader: PickleReader, _ file: MappedFile,
    _ bytes: (TorchStorage) throws(ContentError) -> Range<Int>
  ) throws(ContentError) -> [String: Entry] {
    guard case .dictionary(let dictionary) = root else {
      throw ContentError(file.path, "holds no dictionary", expected: "a state dictionary: names with tensors")
    }
    var tensors: [String: Entry] = [:]
    for (key, value) in reader.members(dictionary) {
      guard case .text(let name) = key, case .tensor(let tensor) = value else {
        let name = if case .text(let name) = key { String(name.prefix(200)) } else { "a key that is no text" }
        throw ContentError(file.path, name, "is not a tensor", expected: "a state dictionary: names with tensors")
      }
      let stored = try bytes(tensor.storage)
      let size = tensor.storage.type.bytes
      guard stored.count == tensor.storage.count * size else {
        throw ContentError(
          file.path, String(name.prefix(200)), "is in a storage of \(stored.count) bytes",
          expected: "\(tensor.storage.count * size)")
      }
      guard let range = tensor.range else {
        throw ContentError(
          file.path, String(name.prefix(200)),
          "has shape \(tensor.shape), strides \(tensor.strides) and offset \(tensor.offset)",
          expected: "a dense tensor inside its storage of \(tensor.storage.count)")
      }
      let start = stored.lowerBound
      let entry = Entry(
        type: tensor.storage.type, shape: tensor.shape,
        range: start + range.lowerBound * size..<start + range.upperBound * size)
      guard tensors.updateValue(entry, forKey: name) == nil else {
        throw ContentError(file.path, String(name.prefix(200)), "occurs twice")
      }
    }
    return tensors
  }
}
