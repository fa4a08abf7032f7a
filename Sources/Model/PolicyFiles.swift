// Policies from files and to files.

package import Checkpoints
package import Tensors

extension PolicyLayout {
  /// Fills an arena with the trained weights, widened. LoRA's entries stay as they are.
  package func fill(_ arena: Storage, from model: LanguageModel, _ pool: ThreadPool) {
    for name in WeightName.all(configuration) + [.head] {
      guard let range = range(of: name) else { continue }
      let weight = model.weight(name)
      let block = max(1, (1 << 20) / weight.columns)
      nonisolated(unsafe) let base = arena.base + range.lowerBound
      pool.blocks(of: weight.rows, by: block) { rows in
        let wide = weight.rows(rows).widened()
        (base + rows.lowerBound * weight.columns).update(from: wide.base, count: rows.count * weight.columns)
      }
    }
  }
}

extension PolicyLayout {
  /// The layout of an adapter with the modules and biases that are saved with it.
  package init(_ adapter: AdapterConfiguration, model: ModelConfiguration) {
    self.init(
      model, adapter: AdapterLayout(adapter, model: model),
      weights: adapter.trainedWeights(model), name: adapter.savedName)
  }
}

extension Policy {
  /// A base with an opened PEFT adapter.
  /// - Throws: `ContentError` when an entry is not finite.
  package convenience init(_ base: LanguageModel, _ directory: AdapterDirectory) throws(ContentError) {
    let layout = PolicyLayout(directory.configuration, model: base.configuration)
    let values = Storage(count: layout.count)
    try directory.fill(values, layout)
    self.init(base, layout, values: values)
  }
}

extension Policy {
  /// Takes the parameters' values, and the companion of a relative adapter, from what `parameterTensors` gave.
  /// - Parameter values: the policy's own.
  /// - Precondition: the directory has the saved layout.
  /// - Throws: `ContentError` when an entry is not finite.
  package func take(_ directory: AdapterDirectory, into values: Storage) throws(ContentError) {
    guard let layout, let adapter, let companion = layout.saved.adapter else { return }
    let saved = Storage(count: layout.saved.count)
    try directory.fill(saved, layout.saved)
    adapter.take(saved: Adapter(layout: companion, weights: saved))
    (values.base + adapter.layout.count).update(
      from: saved.base + companion.count, count: layout.count - adapter.layout.count)
  }
}

extension AdapterDirectory {
  /// Fills an arena of the adapter's own layout.
  /// - Throws: `ContentError` when an entry is not finite.
  package func fill(_ values: Storage, _ layout: PolicyLayout) throws(ContentError) {
    for parameter in layout.parameters.parameters {
      let entries = try entries(of: parameter.name)
      (values.base + parameter.range.lowerBound).update(from: entries, count: entries.count)
    }
  }
}

extension AdapterDirectory {
  /// Writes an adapter as a PEFT directory.
  /// - Parameter replaces: whether an earlier export that is there is replaced.
  /// - Throws: `FileError` when `path` exists, `WriteError`.
  package static func write(
    _ policy: Policy, _ configuration: AdapterConfiguration, _ inference: InferenceFiles, to path: String,
    replaces: Bool = false
  ) throws {
    let tensors = policy.parameterTensors
    let bytes = tensors.reduce(1 << 20) { $0 + $1.byteCount }
    try AtomicDirectory.write(to: path, neededBytes: bytes, permissions: .umask, replaces: replaces) { directory in
      try directory.file(weightsName) {
        try SafetensorsWriter.write(tensors, to: $0)
      }
      try directory.file(configurationName, text: configuration.text)
      try inference.writeWithTokenizer(directory.file)
    }
  }
}
