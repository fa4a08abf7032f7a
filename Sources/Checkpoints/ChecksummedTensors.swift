// Safetensors files of a cache, with a checksum of themselves: a damaged file is detected and then made again.

import Tensors

/// Safetensors whose last tensor is the SHA-256 of all other names and bytes.
package enum ChecksummedTensors {
  private static let checksumName = "sha256"

  /// Writes `path` atomically, with the given key.
  /// - Throws: `WriteError`, and errors of the tensors' closures.
  package static func write(_ tensors: [OutgoingTensor], key: String, to path: String) throws {
    let checksum = SHA256()
    var checksummed = tensors.map { tensor in
      OutgoingTensor(name: tensor.name, type: tensor.type, shape: tensor.shape) { emit in
        checksum.append(Array("\(tensor.name)\n".utf8))
        try tensor.produce {
          checksum.append($0)
          try emit($0)
        }
      }
    }
    // Byte tensors follow all wider types, and the checksum is the last of them: its input has been written by then.
    checksummed.append(
      OutgoingTensor(name: checksumName, type: .uint8, shape: [SHA256.byteCount]) { emit in
        try checksum.digest.withUnsafeBytes(emit)
      })
    try AtomicFile.write(to: path) { try SafetensorsWriter.write(checksummed, metadata: ["key": key], to: $0) }
  }

  /// The file at `path`, with every tensor byte checked; nil if it is missing, damaged or has another key.
  package static func file(_ path: String, key: String) -> SafetensorsFile? {
    guard let file = try? SafetensorsFile(path: path), file.metadata["key"] == key,
      let stored = file.tensors[checksumName], stored.type == .uint8
    else { return nil }
    let checksum = SHA256()
    for name in file.names where name != checksumName {
      guard let entry = file.tensors[name] else { return nil }
      checksum.append(Array("\(name)\n".utf8))
      checksum.append(file.bytes(of: entry))
    }
    return checksum.digest.elementsEqual(file.bytes(of: stored)) ? file : nil
  }
}
