// Passes of a model with an adapter or without, as most tests need them.

package import Checkpoints
package import Model
package import Tensors

extension Pass {
  package convenience init(
    model: LanguageModel, layout: AdapterLayout?, capacity: Capacity, positions: Int, retention: Retention,
    dropout: Bool = false, threads: Int
  ) {
    self.init(
      model.configuration, layout: layout.map { PolicyLayout($0) }, capacity: capacity, positions: positions,
      retention: retention, dropout: dropout, threads: threads)
  }

  package func logProbabilities(_ batch: TreeBatch, model: LanguageModel, adapter: Adapter?) throws -> [Double] {
    try logProbabilities(batch, Policy(model, adapter: adapter))
  }

  package func tokenLogProbabilities(_ batch: TreeBatch, model: LanguageModel, adapter: Adapter?) throws -> [Double] {
    try tokenLogProbabilities(batch, Policy(model, adapter: adapter))
  }

  /// Overwrites `gradient`.
  package func gradient(
    _ batch: TreeBatch, model: LanguageModel, adapter: Adapter, dropout: RandomDraw?, into gradient: Storage,
    coefficients: ([Double]) throws -> [Double]
  ) throws -> [Double] {
    let sink = GradientArena(count: adapter.layout.count)
    let sums = try self.gradient(
      batch, Policy(model, adapter: adapter), dropout: dropout, into: sink, coefficients: coefficients)
    gradient.base.update(from: sink.values.base, count: sink.values.count)
    return sums
  }
}

extension MergedExport {
  package init(
    _ directory: ModelDirectory, adapter: Adapter?, into storage: WeightStorage = .stored, type: ElementType?,
    threads: Int
  ) throws {
    try self.init(
      directory, adapter.map { Policy(LanguageModel(directory), adapter: $0) }, into: storage, type: type,
      pool: ThreadPool(threads: threads))
  }
}

extension AdapterDirectory {
  package func entries(of matrix: AdapterMatrix) throws -> [Float] { try entries(of: matrix.name) }

  package static func write(
    _ adapter: Adapter, _ configuration: AdapterConfiguration, _ inference: InferenceFiles, to path: String,
    replaces: Bool = false
  ) throws {
    let base = LanguageModel(randomWeightsOf: adapter.layout.configuration)
    try write(Policy(base, adapter: adapter), configuration, inference, to: path, replaces: replaces)
  }
}

extension Adapter {
  /// The LoRA matrices of an opened PEFT directory, without modules that were saved with them.
  /// - Throws: `ContentError` when an entry is not finite.
  package convenience init(_ directory: AdapterDirectory, model: ModelConfiguration) throws(ContentError) {
    self.init(layout: AdapterLayout(directory.configuration, model: model))
    try directory.fill(weights, PolicyLayout(layout))
  }
}
