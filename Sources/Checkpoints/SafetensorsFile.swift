// Reads safetensors: maps the file and checks its whole header before it gives access to a tensor.

package import Tensors

/// A safetensors file, mapped read-only. It satisfies every rule of the reference parser and a few more: no duplicate
/// name, a bounded header, at most 4096 tensors of at most 4 axes, element types that Shoal supports.
package final class SafetensorsFile: Sendable {
  /// The place, type and shape of one tensor.
  package struct Entry: Sendable, Equatable {
    package let type: ElementType
    package let shape: [Int]
    /// Bytes from the start of the file.
    package let range: Range<Int>
  }

  package let file: MappedFile
  package let tensors: [String: Entry]
  /// The names in the order of their bytes in the file.
  package let names: [String]
  package let metadata: [String: String]

  package var path: String { file.path }

  /// Maps `path` and checks its header against its size.
  /// - Throws: `FileError` if it cannot be mapped; `ContentError` with tensor, expected and found.
  package init(path: String) throws {
    file = try MappedFile(path: path)
    let header = try SafetensorsHeader(file: file)
    tensors = header.tensors
    names = header.names
    metadata = header.metadata
  }

  /// The bytes of a tensor of this file; valid while the file object lives.
  package func bytes(of entry: Entry) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
  }
}

/// Limits beyond those of the reference parser, all far above the needs of a dense model.
private enum Limit {
  static let headerBytes = 16 << 20
  static let tensors = 4096
  static let axes = 4
}

private struct SafetensorsHeader {
  private(set) var tensors: [String: SafetensorsFile.Entry] = [:]
  private(set) var names: [String] = []
  private(set) var metadata: [String: String] = [:]
  private let path: String
  /// The file offset of the first tensor byte.
  private let dataStart: Int

  init(file: MappedFile) throws(ContentError) {
    let bytes = file.bytes
    path = file.path
    guard bytes.count >= 8 else {
      throw ContentError(path, "has \(bytes.count) bytes", expected: "a safetensors file: at least 8")
    }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= Limit.headerBytes else {
      throw ContentError(path, "states a header of \(length) bytes", expected: "at most \(Limit.headerBytes)")
    }
    dataStart = 8 + Int(length)
    guard dataStart <= bytes.count else {
      throw ContentError(path, "is truncated: it has \(bytes.count) bytes and states a header of \(length)")
    }
    for member in try Self.members(of: bytes[8..<dataStart], path: path) {
      if member.name == "__metadata__" {
        try readMetadata(member.value)
      } else {
        try readTensor(member)
      }
    }
    guard !tensors.isEmpty else { throw ContentError(path, "holds no tensor") }
    try checkLayout(fileBytes: bytes.count)
  }

  private static func members(
    of slice: Slice<UnsafeRawBufferPointer>, path: String
  ) throws(ContentError) -> [JSONValue.Member] {
    let text = UnsafeRawBufferPointer(rebasing: slice)
    guard text.first == UInt8(ascii: "{"), text.last(where: { $0 != UInt8(ascii: " ") }) == UInt8(ascii: "}")
    else { throw ContentError(path, "has a header that is not a JSON object padded with spaces") }
    do throws(JSONSyntaxError) {
      return try JSONValue.parse(text, maximumDepth: 4).members ?? []
    } catch {
      throw ContentError(path, "has a header that is \(error)")
    }
  }

  private mutating func readMetadata(_ value: JSONValue) throws(ContentError) {
    guard let members = value.members else { throw ContentError(path, "__metadata__", "is not an object") }
    for member in members {
      guard let text = member.value.string else {
        throw ContentError(path, "__metadata__", "has a value that is not a string: \(member.name)")
      }
      metadata[member.name] = text
    }
  }

  private mutating func readTensor(_ member: JSONValue.Member) throws(ContentError) {
    let name = member.name
    guard let typeName = member.value["dtype"]?.string,
      let shape = Self.naturals(member.value["shape"]),
      let offsets = Self.naturals(member.value["data_offsets"]), offsets.count == 2
    else {
      throw ContentError(path, name, "has a malformed entry", expected: "dtype, shape and two data_offsets")
    }
    guard let type = ElementType(rawValue: typeName) else {
      throw ContentError(
        path, name, "has dtype \(typeName)",
        expected: "one of \(ElementType.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard shape.count <= Limit.axes else {
      throw ContentError(path, name, "has \(shape.count) axes", expected: "at most \(Limit.axes)")
    }
    let end = offsets[1].addingReportingOverflow(dataStart)
    guard offsets[0] <= offsets[1], !end.overflow else {
      throw ContentError(path, name, "has data_offsets \(offsets)")
    }
    let begin = offsets[0] + dataStart
    guard Self.byteCount(type, shape) == end.partialValue - begin else {
      throw ContentError(
        path, name, "has \(offsets[1] - offsets[0]) bytes",
        expected: "\(Self.byteCount(type, shape).map(String.init) ?? "fewer than 2^63") for "
          + "\(typeName) of shape \(shape)")
    }
    // Names that Swift treats as equal (composed and decomposed letters) are rejected as duplicates too.
    let entry = SafetensorsFile.Entry(type: type, shape: shape, range: begin..<end.partialValue)
    guard tensors.updateValue(entry, forKey: name) == nil else { throw ContentError(path, name, "occurs twice") }
    guard tensors.count <= Limit.tensors else { throw ContentError(path, "holds more than \(Limit.tensors) tensors") }
  }

  /// The tensors must fill the rest of the file: no gap, no overlap, nothing after the last.
  private mutating func checkLayout(fileBytes: Int) throws(ContentError) {
    let ordered = tensors.sorted {
      ($0.value.range.lowerBound, $0.value.range.upperBound, $0.key)
        < ($1.value.range.lowerBound, $1.value.range.upperBound, $1.key)
    }
    var position = dataStart
    for (name, entry) in ordered {
      guard entry.range.lowerBound == position else {
        throw ContentError(
          path, name, "begins at byte \(entry.range.lowerBound - dataStart) of the data",
          expected: "\(position - dataStart), where the tensor before it ends")
      }
      position = entry.range.upperBound
    }
    guard position == fileBytes else {
      throw ContentError(
        path, "has \(fileBytes) bytes",
        expected: "\(position), where the last tensor of its header ends"
          + (fileBytes < position ? " (a truncated download?)" : ""))
    }
    names = ordered.map(\.key)
  }

  private static func naturals(_ value: JSONValue?) -> [Int]? {
    guard let elements = value?.array else { return nil }
    let numbers = elements.compactMap { $0.int.flatMap { $0 >= 0 ? $0 : nil } }
    return numbers.count == elements.count ? numbers : nil
  }

  private static func byteCount(_ type: ElementType, _ shape: [Int]) -> Int? {
    var count = type.bytes
    for extent in shape {
      let product = count.multipliedReportingOverflow(by: extent)
      if product.overflow { return nil }
      count = product.partialValue
    }
    return count
  }
}
