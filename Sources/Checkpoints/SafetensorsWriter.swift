// Writes safetensors files: the header from a list, the bytes from closures, so that memory never holds a whole file.

package import Tensors

/// A tensor to write: its name, type and shape, and a closure that produces its bytes in pieces.
package struct OutgoingTensor {
  package let name: String
  package let type: ElementType
  package let shape: [Int]
  /// Passes the bytes, in order and in pieces of any size, to its argument.
  package let produce: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

  package init(
    name: String, type: ElementType, shape: [Int],
    produce: @escaping ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) { (self.name, self.type, self.shape, self.produce) = (name, type, shape, produce) }

  /// Bytes of the whole tensor.
  package var byteCount: Int { shape.reduce(type.bytes, *) }
}

/// Writes safetensors files that every reader of the format accepts.
package enum SafetensorsWriter {
  /// Writes `tensors` in the given order, but those with wide elements first, so that each tensor is aligned.
  /// - Precondition: names differ; every closure produces `byteCount` bytes.
  /// - Throws: `WriteError`, and errors of the closures.
  package static func write(
    _ tensors: [OutgoingTensor], metadata: [String: String] = ["format": "pt"], to output: OutputFile
  ) throws {
    let ordered = inFileOrder(tensors)
    try output.append(header(ordered, metadata: metadata))
    for tensor in ordered {
      let start = output.byteCount
      try tensor.produce { try output.append($0) }
      let written = output.byteCount - start
      precondition(
        written == tensor.byteCount,
        "\(tensor.name): \(written) bytes for \(tensor.type.rawValue) of shape \(tensor.shape)")
    }
  }

  /// The size of the file that `write` creates.
  package static func fileBytes(of tensors: [OutgoingTensor], metadata: [String: String] = ["format": "pt"]) -> Int {
    tensors.reduce(header(inFileOrder(tensors), metadata: metadata).count) { $0 + $1.byteCount }
  }

  private static func inFileOrder(_ tensors: [OutgoingTensor]) -> [OutgoingTensor] {
    // Swift's sort is stable.
    tensors.sorted { $0.type.bytes > $1.type.bytes }
  }

  /// The length word and the JSON, padded with spaces to a multiple of 8 bytes.
  private static func header(_ tensors: [OutgoingTensor], metadata: [String: String]) -> [UInt8] {
    var members: [JSONValue.Member] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }
      members.append(.init("__metadata__", .object(pairs.map { .init($0.key, .string($0.value)) })))
    }
    var offset = 0
    for tensor in tensors {
      let end = offset + tensor.byteCount
      members.append(
        .init(
          tensor.name,
          [
            "dtype": .string(tensor.type.rawValue),
            "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
            "data_offsets": [.integer(Int64(offset)), .integer(Int64(end))],
          ]))
      offset = end
    }
    var json = Array(JSONValue.object(members).serialized().utf8)
    json += repeatElement(UInt8(ascii: " "), count: -json.count & 7)
    return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json
  }
}
