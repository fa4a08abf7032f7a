// LoRA's matrices, and how a fresh adapter is drawn.

package import Tensors

/// LoRA matrices in their arena (Hu et al. 2021): W x + scale · B A x.
package final class Adapter: Sendable {
  package let layout: AdapterLayout
  /// Begins with the layout's entries.
  package let weights: Storage
  /// A₀ and −B₀ of a relative adapter, in the same places as A and B. Never trained.
  package let companion: Storage?
  /// Of a decomposed adapter.
  let rowNorms: RowNorms?

  /// - Parameter weights: an arena that begins with the adapter; nil makes one in which all entries are zero.
  package init(layout: AdapterLayout, weights: Storage? = nil) {
    self.layout = layout
    self.weights = weights ?? Storage(count: layout.count)
    companion = layout.form == .relative ? Storage(count: layout.count) : nil
    rowNorms = layout.form == .decomposed ? RowNorms(layout) : nil
  }

  /// PEFT's default start, Init[A]: A is uniform in ±1/√in (Kaiming with a = √5). B is zero, so the model's output is
  /// unchanged at first.
  ///
  /// In all three initialisers each number depends on the seed and its place only, not on the number of ranks.
  package func initializeUniform(seed: UInt64) {
    fill(.a) { [layout] module, _, stream, index in
      let bound = 1 / Double(module.inputWidth(layout.configuration)).squareRoot()
      return (2 * CounterRandom(key: seed).uniform(stream: stream, index: index) - 1) * bound
    }
  }

  /// PEFT's `gaussian` start: A is normal with standard deviation 1/R, for every input width. B is zero.
  package func initializeGaussian(seed: UInt64) {
    fill(.a) { _, rank, stream, index in
      CounterRandom(key: seed).normal(stream: stream, index: index) / Double(rank)
    }
  }

  /// Init[B] of Hayou et al. 2024b: B is uniform in ±1/√R (the same Kaiming rule). A is zero.
  package func initializeB(seed: UInt64) {
    fill(.b) { _, rank, stream, index in
      (2 * CounterRandom(key: seed).uniform(stream: stream, index: index) - 1) / Double(rank).squareRoot()
    }
  }

  /// Fills all A or all B from each matrix's random stream and each entry's index. The other side keeps its values.
  private func fill(
    _ side: AdapterMatrix.Side,
    _ value: (_ module: LinearModule, _ rank: Int, _ stream: UInt64, _ index: UInt64) -> Double
  ) {
    for layer in 0..<layout.configuration.layerCount {
      for (place, module) in LinearModule.allCases.enumerated() {
        let found =
          side == .a ? layout.a(module, layer: layer, in: weights) : layout.b(module, layer: layer, in: weights)
        guard let matrix = found else { continue }
        let rank = side == .a ? matrix.rows : matrix.columns
        let stream = UInt64(layer * LinearModule.allCases.count + place)
        for index in 0..<matrix.rows * matrix.columns {
          matrix.base[index] = Float(value(module, rank, stream, UInt64(index)))
        }
      }
    }
  }
}

extension CounterRandom {
  /// A standard normal number (Box and Muller 1958).
  func normal(stream: UInt64, index: UInt64) -> Double {
    let words = block(stream, index)
    func uniform(_ low: UInt32, _ high: UInt32) -> Double { Double((UInt64(low) | UInt64(high) << 32) >> 11) * 0x1p-53 }
    // 1 − u lies in (0, 1], where the logarithm is finite.
    let radius = (-2 * Double.log(1 - uniform(words.x, words.y))).squareRoot()
    return radius * Double.cos(2 * Double.pi * uniform(words.z, words.w))
  }
}
