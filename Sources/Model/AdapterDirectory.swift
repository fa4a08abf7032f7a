// Opens a PEFT adapter directory: adapter_config.json and adapter_model.safetensors.

package import Checkpoints
import Tensors

/// An opened PEFT adapter. Every tensor has the name and the shape that the adapter's configuration and the base model
/// require.
package final class AdapterDirectory: Sendable {
  package static let configurationName = "adapter_config.json"
  package static let weightsName = "adapter_model.safetensors"
  /// What older releases of PEFT wrote.
  private static let pickledName = "adapter_model.bin"

  package let path: String
  package let configuration: AdapterConfiguration
  private let file: SafetensorsFile
  /// By the parameters' names.
  private let tensors: [String: SafetensorsFile.Entry]

  /// Opens `path` as an adapter of `model`.
  /// - Throws: `FileError`; `ContentError` with all problems of the configuration or of the tensors.
  package init(_ path: String, model: ModelConfiguration) throws {
    self.path = path
    let configurationPath = "\(path)/\(Self.configurationName)"
    if !HubFiles.exists(configurationPath), HubFiles.exists("\(path)/config.json") {
      throw ContentError(
        path, "is a whole model", expected: "an adapter: a model is given as --model, or as base_model without adapter")
    }
    configuration = try AdapterConfiguration(
      json: try JSONValue.read(file: configurationPath, limit: 1 << 20), path: configurationPath, model: model)
    let weights = "\(path)/\(Self.weightsName)"
    if !HubFiles.exists(weights), HubFiles.exists("\(path)/\(Self.pickledName)") {
      throw ContentError(
        "\(path)/\(Self.pickledName)", "is a pickle, which is a program and is not run",
        expected: "\(Self.weightsName): load the adapter with PEFT and save it again with save_pretrained")
    }
    file = try SafetensorsFile(path: weights)
    tensors = try Self.tensors(in: file, PolicyLayout(configuration, model: model).parameters)
  }

  /// The entries of a parameter, row-major.
  /// - Throws: `ContentError` when an entry is not finite, or the adapter has no such parameter.
  package func entries(of name: String) throws(ContentError) -> [Float] {
    guard let entry = tensors[name] else { throw ContentError(file.path, name, "is missing") }
    let floats = Self.widened(file.bytes(of: entry), entry.type)
    guard floats.allSatisfy(\.isFinite) else {
      throw ContentError(file.path, name, "has an entry that is not finite")
    }
    return floats
  }

  /// A hash of both files.
  /// - Throws: `FileError`.
  package func contentHash(_ hashes: ContentHash = ContentHash()) throws -> String {
    try hashes.sha256(ofFiles: ["\(path)/\(Self.configurationName)", file.path])
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
