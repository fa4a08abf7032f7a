// Opens a PEFT adapter directory: adapter_config.json and adapter_model.safetensors.

package import Checkpoints
import Tensors

/// An opened PEFT adapter. Every tensor has the name and the shape that the adapter's configuration and the base model
/// require.
package final class AdapterDirectory: Sendable {
  package static let configurationName = "adapter_config.json"
  package static let weightsName = "adapter_model.safetensors"

  package let path: String
  package let configuration: AdapterConfiguration
  private let file: SafetensorsFile

  /// Opens `path` as an adapter of `model`.
  /// - Throws: `FileError`; `ContentError` with all problems of the configuration or of the tensors.
  package init(_ path: String, model: ModelConfiguration) throws {
    self.path = path
    let configurationPath = "\(path)/\(Self.configurationName)"
    configuration = try AdapterConfiguration(
      json: try JSONValue.read(file: configurationPath, limit: 1 << 20), path: configurationPath, model: model)
    file = try SafetensorsFile(path: "\(path)/\(Self.weightsName)")
    try Self.check(file, configuration, model)
  }

  /// The entries of one matrix, row-major: A [R, in], B [out, R].
  /// - Precondition: the matrix belongs to the adapter.
  /// - Throws: `ContentError` when an entry is not finite.
  package func entries(of matrix: AdapterMatrix) throws(ContentError) -> [Float] {
    guard let entry = file.tensors[matrix.name] else {
      preconditionFailure("\(matrix.name) is no matrix of this adapter")
    }
    let floats = Self.widened(file.bytes(of: entry), entry.type)
    guard floats.allSatisfy(\.isFinite) else {
      throw ContentError(file.path, matrix.name, "has an entry that is not finite")
    }
    return floats
  }

  /// A hash of both files.
  /// - Throws: `FileError`.
  package func contentHash(_ hashes: ContentHash = ContentHash()) throws -> String {
    try hashes.sha256(ofFiles: ["\(path)/\(Self.configurationName)", file.path])
  }

  private static func check(
    _ file: SafetensorsFile, _ configuration: AdapterConfiguration, _ model: ModelConfiguration
  ) throws(ContentError) {
    var problems: [ContentError.Problem] = []
    let expected = AdapterMatrix.all(model, modules: configuration.modules)
    for matrix in expected {
      guard let entry = file.tensors[matrix.name] else {
        problems.append(.init(matrix.name, "is missing"))
        continue
      }
      let shape = matrix.shape(model, rank: configuration.rank)
      if entry.shape != shape {
        problems.append(
          .init(
            matrix.name, "has shape \(entry.shape)",
            expected: "\(shape): r is \(configuration.rank) in \(configurationName), the widths are"
              + " the base model's; an adapter of another rank or model?"))
      }
      switch entry.type {
      case .float32, .float16, .bfloat16: break
      default:
        problems.append(.init(matrix.name, "has dtype \(entry.type.rawValue)", expected: "F32, F16 or BF16"))
      }
    }
    let known = Set(expected.map(\.name))
    for name in file.names where !known.contains(name) {
      problems.append(.init(name, "is no tensor of this adapter", expected: "target_modules and layers of the base"))
    }
    guard problems.isEmpty else { throw ContentError(file.path, problems) }
  }

  private static func widened(_ bytes: UnsafeRawBufferPointer, _ type: ElementType) -> [Float] {
    (0..<bytes.count / type.bytes).map { index in
      let offset = index * type.bytes
      switch type {
      case .bfloat16:
        let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
        return Float(bitPattern: UInt32(bits) << 16)
      case .float16:
        let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
        return Float(Float16(bitPattern: bits))
      default: return bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
      }
    }
  }
}
