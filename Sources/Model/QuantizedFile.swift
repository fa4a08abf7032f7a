// A model's linear layers in fewer bits: quantised once, cached under the hash of their content, mapped by every rank.

package import Checkpoints
import Glibc
package import Tensors

/// The matrices of a model's linear layers in a quantised form, in a mapped file of the cache; in int8 with the head.
///
/// As in QLoRA, embedding, norms and biases are not quantised and not in the file.
package final class QuantizedFile: Sendable {
  private let form: any QuantizedForm.Type
  private let file: SafetensorsFile
  private let configuration: ModelConfiguration

  /// The number of layers quantised so far, and their total.
  package typealias Progress = (_ done: Int, _ of: Int) -> Void

  /// Opens the model's file in the cache. A missing or damaged file is made first. If several processes need it at the
  /// same time, one makes it and the others sleep until it is ready.
  /// - Parameters:
  ///   - modelHash: `directory.contentHash()`.
  ///   - cacheDirectory: Shoal's cache, `CacheDirectory.path` except in tests.
  ///   - progress: called by the process that quantises.
  /// - Throws: `ContentError` when rows are not whole blocks of the form, an entry is not finite, or there is no cache
  ///   directory that can be written; `WriteError`.
  package init(
    of directory: ModelDirectory, as form: any QuantizedForm.Type, modelHash: String,
    cacheDirectory: String? = CacheDirectory.path, threads: Int, progress: @escaping Progress = { _, _ in }
  ) throws {
    (self.form, configuration) = (form, directory.configuration)
    try form.requireWholeBlocks(directory)
    guard let cacheDirectory else {
      throw ContentError(
        directory.path, "cannot be quantised: neither SHOAL_CACHE nor HOME says where", expected: "a cache directory")
    }
    let folder = "\(cacheDirectory)/\(form.name.lowercased())"
    let key = form.contentHash(modelHash: modelHash)
    let path = "\(folder)/\(key).safetensors"
    if let file = Self.opened(path, as: form, key: key, configuration) {
      self.file = file
      return
    }
    do throws(WriteError) {
      try CacheDirectory.create(folder)
      guard access(folder, W_OK) == 0 else { throw WriteError(path: folder, action: "write to", code: errno) }
    } catch {
      guard !error.isShortage else { throw error }
      throw ContentError(
        directory.path, "cannot be quantised: there is no place for its \(form.name) form (\(error))",
        expected: "a directory that can be written in SHOAL_CACHE, which is ~/.cache/shoal when it is not set")
    }
    file = try FileLock.hold("\(folder)/\(key).lock") {
      if let file = Self.opened(path, as: form, key: key, directory.configuration) { return file }
      Self.removeUnfinished(path)
      try Self.write(directory, as: form, to: path, key: key, ThreadPool(threads: threads), progress)
      guard let file = Self.opened(path, as: form, key: key, directory.configuration) else {
        throw ContentError(path, "does not hold what was just written to it")
      }
      return file
    }
  }

  /// The matrix of a linear layer.
  /// - Precondition: the model has the layer.
  package func weight(_ module: LinearModule, layer: Int) -> Weight { weight(.linear(module, layer: layer)) }

  /// The head, if the form has it.
  package var head: Weight? { form.includesHead ? weight(.head) : nil }

  private func weight(_ name: WeightName) -> Weight {
    let places = form.parts.map { part in
      let name = name.hubName + part.suffix
      guard let entry = file.tensors[name], let base = file.bytes(of: entry).baseAddress else {
        preconditionFailure("\(name) is not in \(file.path)")
      }
      return base
    }
    let shape = name.shape(configuration)
    return form.weight(places, rows: shape[0], columns: shape[1], owner: file)
  }

  /// The file at `path`, if it is undamaged and fits form and configuration.
  package static func opened(
    _ path: String, as form: any QuantizedForm.Type, key: String, _ configuration: ModelConfiguration
  ) -> SafetensorsFile? {
    guard let file = ChecksummedTensors.file(path, key: key) else { return nil }
    for name in form.groups(configuration).joined() {
      let shape = name.shape(configuration)
      for part in form.parts {
        guard let entry = file.tensors[name.hubName + part.suffix], entry.type == part.type,
          entry.shape == part.shape(shape[0], shape[1])
        else { return nil }
      }
    }
    return file
  }

  /// Removes what killed processes left beside the file at `path`, which may be gigabytes. The caller holds its lock.
  private static func removeUnfinished(_ path: String) {
    let folder = parentDirectory(of: path)
    // A folder that cannot be listed keeps them.
    for name in (try? directoryEntries(folder)) ?? [] where "\(folder)/\(name)".hasPrefix("\(path).tmp-") {
      unlink("\(folder)/\(name)")
    }
  }

  /// Quantises matrix by matrix: first all scales, which are small, then the codes.
  private static func write<Form: QuantizedForm>(
    _ directory: ModelDirectory, as form: Form.Type, to path: String, key: String, _ pool: ThreadPool,
    _ progress: @escaping Progress
  ) throws {
    let configuration = directory.configuration
    var tensors: [OutgoingTensor] = []
    for names in form.groups(configuration) {
      for (name, scales) in zip(names, try Form.scales(of: names, in: directory, pool)) {
        let shape = name.shape(configuration)
        tensors += Form.parts.enumerated().map { place, part in
          OutgoingTensor(
            name: name.hubName + part.suffix, type: part.type, shape: part.shape(shape[0], shape[1])
          ) { emit in
            guard place == 0 else { return try Form.bytes(of: scales)[place - 1].withUnsafeBytes(emit) }
            let codes = directory.released([name]) { Form.codes(of: $0[0], scales, pool) }
            try codes.withUnsafeBytes(emit)
            if case .linear(LinearModule.allCases.last, let layer) = name {
              progress(layer + 1, configuration.layerCount)
            }
          }
        }
      }
    }
    try ChecksummedTensors.write(tensors, key: key, to: path)
  }
}
