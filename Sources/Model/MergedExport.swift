// Writes a policy as one model in hub layout: base and adapter merged, or the weights that were trained.

package import Checkpoints
package import Tensors

/// Writes a policy's weights: W + scale · B A, added in fp32 and rounded once. DoRA's rows are scaled to their magnitudes.
package struct MergedExport {
  private let directory: ModelDirectory
  private let policy: Policy?
  private let form: (any QuantizedForm.Type)?
  private let type: ElementType?
  private let pool: ThreadPool

  /// - Parameters:
  ///   - directory: of the base.
  ///   - policy: nil exports the base itself.
  ///   - storage: the choice of W. Stored weights are exact. Those of the form that an adapter was trained beside give
  ///     exactly the trained model, including the rounding error of that form.
  ///   - type: the element type of the written weights; nil keeps each weight's own type, fp32 for a trained one.
  /// - Throws: `ContentError` when the storage's form cannot represent the base.
  package init(
    _ directory: ModelDirectory, _ policy: Policy?, into storage: WeightStorage = .stored, type: ElementType?,
    pool: ThreadPool
  ) throws {
    try storage.form?.requireWholeBlocks(directory)
    (self.directory, self.policy, form, self.type, self.pool) = (directory, policy, storage.form, type, pool)
  }

  /// Whether a base with one matrix for embedding and head becomes a model with two, because one was trained apart from
  /// the other.
  private var splitsHead: Bool {
    guard directory.configuration.tiesEmbeddings, let policy, policy.layout?.tiesHead == false else { return false }
    return policy.trained(.embedding) != nil || policy.trained(.head) != nil
  }

  /// All weights, under their names in a hub checkpoint.
  package var tensors: [OutgoingTensor] {
    (WeightName.all(directory.configuration) + (splitsHead ? [.head] : [])).map(tensor)
  }

  /// Writes a directory that transformers loads: weights, configuration and tokenizer files.
  /// - Parameters:
  ///   - inference: what the adapter's training says beside the weights.
  ///   - replaces: whether an earlier export that is there is replaced.
  /// - Throws: `FileError`, `WriteError`, `ContentError`.
  package func write(
    _ inference: InferenceFiles, to path: String, shardBytes: Int, replaces: Bool = false
  ) throws {
    let tensors = tensors
    let bytes = tensors.reduce(0) { $0 + $1.byteCount }
    try AtomicDirectory.write(to: path, neededBytes: bytes + (32 << 20), permissions: .umask, replaces: replaces) {
      output in
      try ShardedExport.write(tensors, shardBytes: shardBytes, to: output)
      try inference.writeWithTokenizer(output.file)
      try writeConfiguration(output.file)
    }
  }

  /// Writes config.json with the element type of the written weights.
  package func writeConfiguration(_ write: InferenceFiles.Write) throws {
    guard type != nil || splitsHead else { return try HubFiles.copy(["config.json"], from: directory.path, write) }
    let json = try JSONValue.read(file: "\(directory.path)/config.json", limit: 1 << 20)
    var members = json.members ?? []
    if let type {
      let name: JSONValue = type == .float32 ? "float32" : type == .float16 ? "float16" : "bfloat16"
      for i in members.indices where ["torch_dtype", "dtype"].contains(members[i].name) { members[i].value = name }
    }
    if splitsHead {
      members.removeAll { $0.name == "tie_word_embeddings" }
      members.append(.init("tie_word_embeddings", false))
    }
    let text = JSONValue.object(members).serialized(indent: 2) + "\n"
    try write("config.json") { try $0.append(Array(text.utf8)) }
  }

  private func tensor(_ name: WeightName) -> OutgoingTensor {
    let stored = directory[name]
    let trained = policy?.trained(name)
    let type = type ?? (trained == nil ? stored.type : .float32)
    return OutgoingTensor(name: name.hubName, type: type, shape: stored.shape) { emit in
      let delta = delta(name)
      let base = try trained.map(Weight.init) ?? quantized(name)
      guard type != stored.type || delta != nil || base != nil else { return try emit(stored.bytes) }
      // A few rows at a time, so that no fp32 copy of an embedding exists.
      let whole = base ?? directory.weight(name)
      let block = max(1, (1 << 22) / whole.columns)
      for start in stride(from: 0, to: whole.rows, by: block) {
        let rows = start..<min(start + block, whole.rows)
        let sum = whole.rows(rows).widened()
        if let delta { Self.add(delta, rows: rows, to: sum, pool) }
        if type == .float16, let value = sum.firstBeyondHalf { throw HalfOverflow(weight: name.hubName, value: value) }
        try sum.narrowed(to: type).withUnsafeBytes(emit)
      }
    }
  }

  /// A linear layer's matrix in the form that is merged into, if there is one.
  private func quantized(_ name: WeightName) throws -> Weight? {
    guard let form, case .linear(let module, let layer) = name else { return nil }
    return try form.quantized(module, layer: layer, of: directory, pool)
  }

  /// What is added to an adapted linear layer.
  private struct Delta {
    let a, b: Matrix
    let scale: Float
    let magnitude: Matrix?
  }

  private func delta(_ name: WeightName) -> Delta? {
    guard case .linear(let module, let layer) = name, let adapter = policy?.adapter,
      let a = adapter.layout.a(module, layer: layer, in: adapter.weights),
      let b = adapter.layout.b(module, layer: layer, in: adapter.weights),
      let shape = adapter.layout.shape(module, layer: layer)
    else { return nil }
    return Delta(
      a: a, b: b, scale: shape.scale, magnitude: adapter.layout.magnitude(module, layer: layer, in: adapter.weights))
  }

  /// sum += scale · B A for some rows of B, then m / ‖row‖ times each row.
  private static func add(_ delta: Delta, rows: Range<Int>, to sum: Matrix, _ pool: ThreadPool) {
    let product = Matrix(rows: rows.count, columns: delta.a.columns)
    Products.compute(product, [.times(delta.b.rows(rows), delta.a)], pool)
    Kernels.combine(sum, 1, product, delta.scale, pool)
    guard let magnitude = delta.magnitude else { return }
    for row in 0..<sum.rows {
      let own = sum.rows(row..<row + 1)
      let norm = Kernels.sumOfSquares(own).squareRoot()
      guard norm > 0 else { continue }
      Kernels.scale(own, by: Float(Double(magnitude.base[rows.lowerBound + row]) / norm), pool)
    }
  }
}

/// A weight that f16 would turn into infinity.
package struct HalfOverflow: UserError, Equatable {
  package let weight: String
  package let value: Float

  package var description: String {
    "\(weight) has an entry of \(value), and the largest number of f16 is 65504: write bf16 or f32 (save_dtype, --dtype)"
  }
}

extension Matrix {
  /// The first finite entry that rounds to an infinity in f16.
  fileprivate var firstBeyondHalf: Float? {
    (0..<rows).lazy.compactMap { row in
      UnsafeBufferPointer(start: pointer(row: row), count: columns).first { abs($0) >= 65520 && $0.isFinite }
    }.first
  }
}
